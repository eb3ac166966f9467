// The clock that can be moved, and moments that are waited for. Not here: the database's clock, see server.test.ts.
import { expect, test } from "vitest";
import { alarmAt, systemClock } from "../../src/support/clock.ts";
import { MovableClock } from "../../src/testing/clock.ts";

/** Resolves when the alarm of that clock rings. */
function rings(clock: MovableClock | typeof systemClock, atMs: number): Promise<void> {
  const hold = setInterval(() => undefined, 1_000);
  return new Promise((resolve) => {
    alarmAt(clock, atMs, () => {
      clearInterval(hold);
      resolve();
    });
  });
}

test("moved ahead, it rings what has come due, in the order of its moments, at once", () => {
  const clock = new MovableClock();
  const rung: string[] = [];
  const nowMs = clock.nowMs();
  clock.alarm(nowMs + 3_600_000, () => rung.push("hour"));
  clock.alarm(nowMs + 60_000, () => rung.push("minute"));
  const callOff = clock.alarm(nowMs + 61_000, () => rung.push("called off"));
  const late = clock.alarm(nowMs + 86_400_000, () => rung.push("day"));
  callOff();
  clock.moveTo(3_600_001);
  expect(rung).toEqual(["minute", "hour"]);
  clock.moveTo(3_600_002);
  expect(rung).toEqual(["minute", "hour"]);
  late();
});

test("one that rings may call off another, and set a new one", () => {
  const clock = new MovableClock();
  const rung: string[] = [];
  const nowMs = clock.nowMs();
  const second = clock.alarm(nowMs + 2_000, () => rung.push("second"));
  clock.alarm(nowMs + 1_000, () => {
    rung.push("first");
    second();
    clock.alarm(clock.nowMs() + 60_000, () => rung.push("third"));
  });
  clock.moveTo(5_000);
  expect(rung).toEqual(["first"]);
  clock.moveTo(66_000);
  expect(rung).toEqual(["first", "third"]);
});

test("time also goes on by itself, moved or not; the monotonic clock is not moved", async () => {
  const clock = new MovableClock();
  await rings(clock, clock.nowMs() + 5);
  const monotonicMs = clock.monotonicMs();
  clock.moveTo(10_000_000);
  expect(clock.monotonicMs() - monotonicMs).toBeLessThan(1_000_000);
  await rings(clock, clock.nowMs() + 5);
  await rings(systemClock, systemClock.nowMs() - 1);
});

test("it does not go back", () => {
  const clock = new MovableClock();
  clock.moveTo(5);
  expect(() => clock.moveTo(4)).toThrow(RangeError);
});
