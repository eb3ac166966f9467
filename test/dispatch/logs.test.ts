// Kept lines of running steps: the newest of the newest attempt, within bounds.
import { expect, test } from "vitest";
import { Logs } from "../../src/dispatch/listeners.ts";
import type { PlanId } from "../../src/domain/id.ts";

const plan = "018f0000-0000-7000-8000-000000000000" as PlanId;
const lines = (count: number, text: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => ({ atMs: i, stream: "stdout", text: text(i) }));

test("the newest lines stay, and it is known how many went", () => {
  const logs = new Logs();
  logs.append(plan, 1, 1, lines(2_500, String));
  const { lines: kept = [], dropped } = logs.of(plan, 1) ?? {};
  expect([kept.length, dropped, kept[0]?.text]).toEqual([2_000, 500, "500"]);
});

test("lines are kept up to their characters, too: long ones sooner make room", () => {
  const logs = new Logs();
  for (let i = 0; i < 10; i++)
    logs.append(
      plan,
      1,
      1,
      lines(100, () => "x".repeat(16_384)),
    );
  const { lines: kept = [], dropped } = logs.of(plan, 1) ?? {};
  expect(kept.length).toBe(64);
  expect(dropped).toBe(1_000 - 64);
});

test("a new attempt begins anew, and a late line of the one before is not heard", () => {
  const logs = new Logs();
  logs.append(
    plan,
    1,
    1,
    lines(3, () => "old"),
  );
  logs.append(
    plan,
    1,
    2,
    lines(1, () => "new"),
  );
  logs.append(
    plan,
    1,
    1,
    lines(1, () => "late"),
  );
  expect(logs.of(plan, 1)).toMatchObject({ lines: [{ text: "new" }], dropped: 0 });
  expect(logs.tail(plan, 1, 2)).toBe("new");
  expect(logs.tail(plan, 1, 1)).toBe("");
});

test("of many steps at once the oldest are forgotten, so that all of them together stay bounded", () => {
  const logs = new Logs();
  for (let i = 0; i < 100; i++)
    logs.append(
      plan,
      i,
      1,
      lines(64, () => "x".repeat(16_384)),
    );
  expect(logs.of(plan, 0)).toBeUndefined();
  expect(logs.of(plan, 35)).toBeUndefined();
  expect(logs.of(plan, 36)?.lines).toHaveLength(64);
  expect(logs.of(plan, 99)?.lines).toHaveLength(64);
});

test("what an older row of a step says beside a newer one, under the same number, is told apart", () => {
  const logs = new Logs();
  const say = (ordinal: number, text: string) => {
    logs.append(
      plan,
      ordinal,
      2,
      lines(1, () => text),
    );
  };
  say(1, "undoing");
  say(5, "again");
  say(1, "undone");
  expect([logs.tail(plan, 1, 2), logs.tail(plan, 5, 2)]).toEqual(["undoing\nundone", "again"]);
});
