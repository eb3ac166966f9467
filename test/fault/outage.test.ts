// Partners that go away and come back: the database, an executor for good, the server under a long step. Not here: what survives
// being killed under load, see kills.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { codeOf, nativeClient } from "../support/load/client.ts";
import { readJournals } from "../support/load/journal.ts";
import { step } from "../support/load/shapes.ts";
import { CHARTER, submitPlan } from "../support/load/submit.ts";
import { Arena, until } from "./arena.ts";

const UNAVAILABLE = 14;
let arena: Arena;

beforeAll(async () => {
  arena = await Arena.open();
});
afterAll(async () => {
  await arena.close();
});

test(
  "while the database is away calls get UNAVAILABLE quickly, and work goes on by itself when it is back",
  { timeout: 60_000 },
  async () => {
    const load = await arena.startLoad("away");
    await load.ask("executors", { streams: 2, slots: 8, takes: [10, 30], prefix: "away" });
    await load.ask("fill", { plans: 60 });
    const client = nativeClient(arena.server.target, arena.key);
    try {
      arena.shutDoor();
      const beganMs = performance.now();
      const target = { case: "newGoal" as const, value: { charter: CHARTER, spec: { name: "away" } } };
      const trouble: unknown = await client
        .call(MaestroService.method.plan, { target, steps: [step("only")], idempotencyKey: crypto.randomUUID() })
        .catch((error: unknown) => error);
      expect(codeOf(trouble)).toBe(UNAVAILABLE);
      expect(performance.now() - beganMs).toBeLessThan(5_000);
      await arena.openDoor();
      // Nobody is started again and nobody attaches anew.
      await arena.allCompleted(25_000);
      await submitPlan(client, "back", [step("only")]);
      await arena.allCompleted(10_000);
      expect((await load.ask("counters")).attaches).toBe(2);
    } finally {
      client.close();
      await arena.killLoad(load);
    }
  },
);

test("a killed executor's steps are with another within seconds", { timeout: 60_000 }, async () => {
  const doomed = await arena.startLoad("doomed");
  await doomed.ask("executors", {
    streams: 1,
    slots: 10,
    takes: [600_000, 600_000],
    prefix: "doomed",
    capability: "doom",
  });
  await doomed.ask("fill", { plans: 2, capability: "doom" });
  await until("ten steps in hand", 10_000, async () => (await doomed.ask("counters")).assigned === 10);
  const heir = await arena.startLoad("heir");
  await heir.ask("executors", { streams: 1, slots: 20, takes: [1, 2], prefix: "heir", capability: "doom" });
  await arena.killLoad(doomed);
  const killedMs = performance.now();
  await arena.allCompleted(20_000);
  expect(performance.now() - killedMs).toBeLessThan(10_000);
  await arena.killLoad(heir);
});

test(
  "a server that is killed and started again under a long step does not have it run twice",
  { timeout: 60_000 },
  async () => {
    const load = await arena.startLoad("long");
    // Longer than a server's session lives: sweeps of the dead one's leases come in between.
    await load.ask("executors", { streams: 1, slots: 5, takes: [14_000, 14_000], prefix: "long", capability: "long" });
    await load.ask("fill", { plans: 1, capability: "long" });
    await until("five steps in hand", 10_000, async () => (await load.ask("counters")).assigned === 5);
    await arena.server.kill();
    await arena.startServer();
    await until("five receipts", 30_000, async () => (await load.ask("counters")).receipts === 5);
    const roots = readJournals(arena.journals).filter((entry) => entry.x === "long-0" && (entry.o ?? 0) <= 5);
    expect(roots.filter((entry) => entry.k === "a")).toHaveLength(5);
    expect(roots.filter((entry) => entry.k === "l")).toHaveLength(0);
    await arena.killLoad(load);
  },
);

test(
  "after all of it nothing is lost or doubled, and every total is the sum of its rows",
  { timeout: 30_000 },
  async () => {
    expect(await arena.judge()).toMatchObject({ lost: [], doubled: [], audit: [] });
  },
);
