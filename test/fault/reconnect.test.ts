// Five hundred executors whose server is killed and started again: how soon all of them are back, with what they held. Not here:
// what they do afterwards, see kills.test.ts.
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Executor } from "../../src/executor/executor.ts";
import { readJournal } from "../support/load/journal.ts";
import { Arena, until } from "./arena.ts";

const EXECUTORS = 500;
const HELD = 2;
/** From the moment that the port is open again, on a machine that starts a server in so long. */
const BACK_MS = 5_000;
const START_MS = 2_500;

let arena: Arena;
beforeEach(async () => {
  arena = await Arena.open();
});
afterEach(async () => {
  await arena.close();
});

/** When a connection to that port is first taken, epoch milliseconds. */
async function opened(port: number): Promise<number> {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return Date.now();
    await pause(10);
  }
}

/** Kills the server and starts it again; when its port was open, and how long that took. */
async function restart(): Promise<{ readonly openedMs: number; readonly startMs: number }> {
  await arena.server.kill();
  const beganMs = Date.now();
  const [openedMs] = await Promise.all([opened(arena.server.ports.fast), arena.startServer()]);
  return { openedMs, startMs: openedMs - beganMs };
}

/**
 * `back` gives when each was back after a restart. A machine that others use meanwhile starts a server slowly, and may be as much
 * slower in having all back.
 */
async function expectSoon(what: string, back: () => Promise<readonly number[]>): Promise<void> {
  const { openedMs, startMs } = await restart();
  const sorted = (await back()).map((ms) => ms - openedMs).sort((one, other) => one - other);
  const [half = 0, last = 0] = [sorted[sorted.length >> 1], sorted.at(-1)];
  console.info(
    `${what}: port open after ${startMs} ms, then half of them back after ${half} ms and all after ${last} ms`,
  );
  expect(last).toBeLessThan(BACK_MS * Math.max(1, startMs / START_MS));
}

async function submit(): Promise<void> {
  const submitter = await arena.startLoad("submitter");
  // Plans of ten steps, of which five are ready at once.
  await submitter.ask("fill", { plans: (EXECUTORS * HELD) / 5, capability: "hold" });
}

test(`${EXECUTORS} streams over ten connections are back within five seconds`, { timeout: 150_000 }, async () => {
  await submit();
  const fleet = await arena.startLoad("fleet");
  const takes = [600_000, 600_000] as const;
  await fleet.ask("executors", { streams: EXECUTORS, connections: 10, slots: HELD, takes, capability: "hold" });
  await until("steps in hand", 30_000, async () => (await fleet.ask("counters")).assigned === EXECUTORS * HELD);
  const of = (kind: string): number[] =>
    readJournal(arena.journalOf("fleet")).flatMap(({ k, t }) => (k === kind ? [t] : []));
  await expectSoon(`${EXECUTORS} streams`, async () => {
    await until("leases carried on", 60_000, () => of("h").length + of("l").length >= EXECUTORS * HELD);
    return of("h");
  });
  expect(of("l")).toEqual([]);
  expect((await fleet.ask("counters")).assigned).toBe(EXECUTORS * HELD);
});

test(`${EXECUTORS} executors of the library are back within five seconds`, { timeout: 150_000 }, async () => {
  await submit();
  const back = new Map<string, number>();
  const lost: string[] = [];
  let began = 0;
  const executors = Array.from({ length: EXECUTORS }, (_, i) => {
    const name = `library-${i}`;
    return new Executor({
      url: arena.server.target,
      name,
      slots: HELD,
      drainOn: [],
      apiKey: arena.key,
      observe: (event) => {
        if (event.kind === "lost") lost.push(event.key);
        if (event.kind === "attached" && began === EXECUTORS * HELD) back.set(name, Date.now());
      },
    }).on("hold", async (_step, { signal }) => {
      began += 1;
      await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
    });
  });
  try {
    await Promise.all(executors.map((executor) => executor.start()));
    await until("steps in hand", 30_000, () => began === EXECUTORS * HELD);
    await expectSoon(`${EXECUTORS} executors of the library`, async () => {
      await until("executors back", 60_000, () => back.size === EXECUTORS);
      return [...back.values()];
    });
    expect(lost).toEqual([]);
    expect(began).toBe(EXECUTORS * HELD);
  } finally {
    for (const executor of executors) executor.close();
  }
});
