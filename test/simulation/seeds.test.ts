// Fifty seeds of dispatch and leases: nothing that always holds is broken, and a seed always tells the same story. One that fails
// says how to run it alone. Not here: faults that are planted, see planted.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { openGround } from "./ground.ts";
import type { OpenGround } from "./ground.ts";
import { simulate } from "./simulation.ts";
import type { Run } from "./simulation.ts";

const SEEDS = 50;
/** What the seeds must have met together, or they prove nothing. */
const MET = [
  "blocked, try later",
  "dies before BEGIN",
  "dies before COMMIT",
  "dies after COMMIT",
  "unknown, done",
  "unknown, not done",
  "killed",
  "frozen",
  "cut off",
  "said twice",
  "contradicted itself",
  "done: graph.replan",
  "done: plan.cancel",
  "done: plan.suspend",
  "done: step.hold",
  "lost: the executor went away",
  "lost: the attempt took longer than it may",
  "lost: the executor did not come back after its server was gone",
];

let ground: OpenGround;
const runs: Run[] = [];
beforeAll(async () => {
  ground = await openGround();
});
afterAll(() => ground.end());

const wanted = process.env["MAESTRO_SEED"] ?? "";

function told({ seed, violation, trace }: Run): string {
  return [
    `seed ${String(seed)}: ${violation ?? ""}`,
    `Replay it with MAESTRO_SEED=${String(seed)} npx vitest run test/simulation/seeds.test.ts`,
    ...trace.slice(wanted === "" ? -40 : 0),
  ].join("\n");
}

test("what always holds, holds after every event of every seed", { timeout: 300_000 }, async () => {
  const seeds = wanted === "" ? Array.from({ length: SEEDS }, (_, i) => i + 1) : [Number(wanted)];
  for (const seed of seeds) {
    const run = await simulate(ground, seed);
    runs.push(run);
    if (run.violation !== null) throw new Error(told(run));
  }
});

test("the same seed is the same story", { timeout: 60_000 }, async () => {
  for (const { seed, digest } of runs.slice(-2)) expect((await simulate(ground, seed)).digest).toBe(digest);
});

test.runIf(wanted === "")("the seeds meet everything that they are there to meet", () => {
  const met = new Set(runs.flatMap(({ counts }) => [...counts.keys()]));
  expect(MET.filter((what) => !met.has(what))).toEqual([]);
});
