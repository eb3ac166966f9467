// Random plans, random progress, random re-plans: counters stay right, nothing gets stuck, done and unchanged steps keep
// their rows. Not here: single cases, see replan.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PlanId } from "../../src/domain/id.ts";
import { ended, failed, parked, running, succeeded } from "../../src/domain/plan/draft.ts";
import { NO_RETRY } from "../../src/domain/step.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { graphReplan } from "../../src/operations/graph-replan.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { planGet } from "../../src/operations/plan-get.ts";
import { stepHold } from "../../src/operations/step-hold.ts";
import { stepRelease } from "../../src/operations/step-release.ts";
import { stepSkip } from "../../src/operations/step-skip.ts";
import { failure, openBench, spec, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
  await bench.value(charterDeclare, { name: "c", terms: terms(), expectedRevision: 0 });
});
afterAll(() => bench.end());

/** Numbers below n, the same for the same seed (mulberry32). */
function dice(seed: number): (n: number) => number {
  let state = seed * 2_654_435_761;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const undo = { capability: "undo", input: null, timeoutMs: 1_000, retry: NO_RETRY };

/** Step `s<i>` depends on earlier ones only, so that no patch makes a cycle. */
function randomStep(i: number, roll: (n: number) => number): StepDefinition {
  const earlier = Array.from({ length: i }, (_, n) => `s${String(n)}`);
  const needs = earlier.filter(() => roll(4) === 0).map((name) => ({ step: name, regardless: roll(3) === 0 }));
  const read = i > 0 && roll(4) === 0 ? `\${{ steps.s${String(roll(i))}.outputs }}` : String(roll(3));
  return step(`s${String(i)}`, [], {
    needs,
    run: read,
    compensation: roll(3) === 0 ? undo : null,
    onFailure: roll(2) === 0 ? "FAIL_PLAN" : "CARRY_ON",
  });
}

async function allRows(planId: PlanId): Promise<readonly StepRow[]> {
  return bench.it.store.transaction([bench.org.orgId], async (tx) => {
    const plan = await tx.plans.find(bench.org.orgId, planId);
    if (plan === undefined) throw new Error("no plan");
    const slice = tx.plans.slice(plan);
    await tx.plans.complete(slice, { whole: true });
    return [...slice.steps.values()];
  });
}

async function audit(planId: PlanId): Promise<void> {
  const plan = await bench.value(planGet, { planId });
  const rows = await allRows(planId);
  const sum = (of: (row: StepRow) => number): number => rows.reduce((total, row) => total + of(row), 0);
  expect({
    total: plan.stepsTotal,
    ended: plan.stepsEnded,
    succeeded: plan.stepsSucceeded,
    failed: plan.stepsFailed,
    running: plan.stepsRunning,
    starved: plan.stepsStarved,
  }).toEqual({
    total: rows.filter((r) => r.current).length,
    ended: sum(ended),
    succeeded: sum(succeeded),
    failed: sum(failed),
    running: sum(running),
    starved: sum(parked),
  });
  const keys = rows.filter((r) => r.current).map((r) => r.key);
  expect(new Set(keys).size).toBe(keys.length);
}

const canLease = (row: StepRow): boolean =>
  (row.state === "READY" || row.state === "COMPENSATING") && row.orderKey !== null;
const runs = (row: StepRow): boolean => row.state === "LEASED" || row.state === "STOPPING";

async function moveSomething(planId: PlanId, roll: (n: number) => number): Promise<void> {
  const rows = await allRows(planId);
  const open = rows.filter((row) => canLease(row) || runs(row));
  const row = open[roll(Math.max(1, open.length))];
  if (row === undefined) return;
  if (runs(row))
    await bench.finish(
      planId,
      row.key,
      row.state === "STOPPING"
        ? { kind: "stopped", message: "" }
        : !row.undoing && roll(5) === 0
          ? failure("bad luck")
          : undefined,
    );
  else if (row.state === "READY" && roll(8) === 0)
    await bench.value(roll(2) === 0 ? stepHold : stepSkip, { planId, step: row.key, reason: "" });
  // The bench finds a row by its key: one at a time for keys with two rows that could be leased.
  else if (rows.filter((r) => r.key === row.key && (canLease(r) || runs(r))).length === 1)
    await bench.lease(planId, row.key);
}

async function finishAll(planId: PlanId): Promise<void> {
  for (let round = 0; round < 200; round++) {
    const rows = await allRows(planId);
    const held = rows.find((row) => row.current && row.heldBack && row.state === "WAITING");
    const busy = rows.find(runs) ?? rows.find((row) => row.state === "COMPENSATING") ?? rows.find(canLease);
    if (busy === undefined && held === undefined) return;
    if (busy === undefined && held !== undefined)
      await bench.value(stepRelease, { planId, step: held.key, reason: "" });
    else if (busy !== undefined && runs(busy)) await bench.finish(planId, busy.key);
    else if (busy !== undefined) await bench.lease(planId, busy.key);
  }
  throw new Error("the plan does not end");
}

test.each(Array.from({ length: 15 }, (_, i) => i + 1))("random history %i", async (seed) => {
  const roll = dice(seed);
  let size = 4 + roll(6);
  const { plan } = await bench.value(maestroPlan(bench.heavy), {
    target: { kind: "new", charter: "c", spec: spec() },
    steps: Array.from({ length: size }, (_, i) => randomStep(i, roll)),
    acceptLate: false,
  });
  const { planId } = plan;
  let version = 1;
  for (let round = 0; round < 3; round++) {
    for (let i = roll(8); i > 0; i--) await moveSomething(planId, roll);
    await audit(planId);
    const upsert = Array.from({ length: size }, (_, i) => i)
      .filter(() => roll(4) === 0)
      .map((i) => randomStep(i, roll));
    const grown = roll(2) === 0;
    if (grown) upsert.push(randomStep(size, roll));
    const before = new Map((await allRows(planId)).filter((r) => r.current).map((r) => [r.key, r]));
    const result = await bench.run(graphReplan(bench.heavy), {
      planId,
      upsert,
      remove: [],
      dryRun: false,
      expectedActiveVersion: version,
      expectedRevision: 0,
      reason: "",
      constraints: null,
    });
    if ("refusal" in result) {
      // Only a plan that is being undone, or was, may say no.
      expect(result.refusal.reason).toBe("STATE_CONFLICT");
      continue;
    }
    version += 1;
    if (grown) size += 1;
    await audit(planId);
    const { summary, steps, staleSteps } = result.done.value;
    const after = new Map((await allRows(planId)).filter((r) => r.current).map((r) => [r.key, r]));
    const touched = new Set([...steps.filter((s) => s.change !== "SAME").map((s) => s.key), ...staleSteps]);
    let reused = 0;
    for (const [key, row] of before) {
      if (row.state !== "SUCCEEDED" && row.state !== "LEASED") continue;
      if (touched.has(key)) continue;
      expect(after.get(key)?.ordinal, key).toBe(row.ordinal);
      reused += row.state === "SUCCEEDED" ? 1 : 0;
    }
    expect(summary.reused).toBe(reused);
  }
  await finishAll(planId);
  await audit(planId);
  const end = await bench.value(planGet, { planId });
  expect(["COMPLETED", "FAILED"], end.state).toContain(end.state);
});
