// Steps that run again or are resolved by hand, and verbs on many at once, against a real store. Not here: what each verb means
// (test/domain), and the wire (test/wire).
import { afterAll, beforeAll, expect, test } from "vitest";
import { NO_LIMITS, NOTHING } from "../../src/domain/amounts.ts";
import type { PlanId } from "../../src/domain/id.ts";
import type { OutcomeResult } from "../../src/domain/outcome.ts";
import { NOBODY } from "../../src/domain/plan/by-hand.ts";
import type { ByHand } from "../../src/domain/plan/by-hand.ts";
import { NO_RETRY } from "../../src/domain/step.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { creditTrace } from "../../src/operations/credit-trace.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { planExplain } from "../../src/operations/plan-explain.ts";
import { planCancel } from "../../src/operations/plan-cancel.ts";
import { planGet } from "../../src/operations/plan-get.ts";
import { stepChange } from "../../src/operations/step-change.ts";
import { stepGet } from "../../src/operations/step-get.ts";
import { stepListAttempts } from "../../src/operations/step-list-attempts.ts";
import { stepRerun } from "../../src/operations/step-rerun.ts";
import { stepResolve } from "../../src/operations/step-resolve.ts";
import { stepRetry } from "../../src/operations/step-retry.ts";
import { failure, FIRST, openBench, spec, step, success, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
const UNDO = { capability: "undo", input: null, timeoutMs: 1_000, retry: NO_RETRY };
beforeAll(async () => {
  bench = await openBench();
  const budget = { ...NO_LIMITS, tokens: 100, currency: "" };
  await bench.value(charterDeclare, { name: "release", terms: terms({ budget }), expectedRevision: 0 });
});
afterAll(() => bench.end());

async function planned(
  steps: readonly StepDefinition[],
  labels: Readonly<Record<string, string>> = {},
): Promise<PlanId> {
  const target = { kind: "new" as const, charter: "release", spec: spec({ labels }) };
  return (await bench.value(maestroPlan(bench.heavy), { target, steps, acceptLate: false })).plan.planId;
}
const explain = () => planExplain({ connectedExecutors: () => [] });
/** The bench performs what is being undone first. */
async function undoingFails(planId: PlanId, key: string): Promise<void> {
  await bench.lease(planId, key);
  await bench.finish(planId, key, failure("cannot"));
}
const at = (planId: PlanId, name: string) => ({ planId, step: name, reason: "because" });
const consumer = (key: string, of: string): StepDefinition =>
  step(key, [], { run: `\${{ steps.${of}.outputs.made }}` });

async function rowCount(planId: PlanId, key: string): Promise<number> {
  return bench.it.store.transaction([bench.org.orgId], async (tx) => {
    const plan = await tx.plans.find(bench.org.orgId, planId);
    if (plan === undefined) throw new Error("no plan");
    const slice = tx.plans.slice(plan);
    await tx.plans.complete(slice, { whole: true });
    return [...slice.steps.values()].filter((row) => row.key === key).length;
  });
}
async function kinds(planId: PlanId): Promise<readonly string[]> {
  const records = await bench.it.store.transaction([bench.org.orgId], (tx) =>
    tx.records.ofPlan(bench.org.orgId, planId, 0, 1_000),
  );
  return records.map((record) => record.kind);
}

test("a dry run says what a rerun would do and changes nothing; the rerun does it, with one record", async () => {
  const planId = await planned([step("a", [], { compensation: UNDO }), consumer("b", "a"), step("c", ["b"])]);
  await bench.perform(planId, "a", "b");
  const wish = { ...at(planId, "a"), cascade: true, order: "UNDO_FIRST" as const, dryRun: true };
  const told = await bench.value(stepRerun(bench.heavy), wish);
  expect(told).toMatchObject({ rerun: ["b"], stale: [], compensated: ["a"], notCompensable: ["b"] });
  expect(await bench.states(planId)).toEqual({ a: "SUCCEEDED", b: "SUCCEEDED", c: "READY" });
  const before = (await kinds(planId)).length;
  expect(await bench.value(stepRerun(bench.heavy), { ...wish, dryRun: false })).toMatchObject({
    step: { row: { key: "a", state: "PENDING", waitingOn: 1 } },
    rerun: ["b"],
  });
  expect(await bench.states(planId)).toEqual({ a: "PENDING", b: "PENDING", c: "PENDING" });
  expect(await bench.value(explain(), { planId, step: "a", page: FIRST })).toMatchObject({
    waiting: [{ cause: "PREDECESSOR", explanation: "What it did before is undone first." }],
  });
  expect((await kinds(planId)).slice(before)).toEqual(["step.rerun"]);
  expect(await rowCount(planId, "a")).toBe(2);
  // The bench performs what is being undone first.
  await bench.perform(planId, "a", "a", "b", "c");
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED", stepsTotal: 3 });
  const { items } = await bench.value(stepListAttempts, { planId, step: "a", page: FIRST });
  expect(items.map((a) => [a.undoing, a.state])).toEqual([
    [false, "SUCCEEDED"],
    [true, "SUCCEEDED"],
    [false, "SUCCEEDED"],
  ]);
  expect(await bench.refusal(stepRerun(bench.heavy), { ...wish, dryRun: false })).toMatchObject({
    reason: "STATE_CONFLICT",
    metadata: { kind: "plan", state: "COMPLETED" },
  });
});

test("a step of a large plan runs again as well: what becomes of the others is worked out beside the event loop", async () => {
  const many = Array.from({ length: 600 }, (_, i) => consumer(`b${String(i)}`, "a"));
  const planId = await planned([step("a"), ...many]);
  await bench.perform(planId, "a");
  const { stale, rerun } = await bench.value(stepRerun(bench.heavy), {
    ...at(planId, "a"),
    cascade: true,
    order: "UNDO_FIRST" as const,
    dryRun: false,
  });
  expect([stale, rerun]).toEqual([[], []]);
  expect(await bench.value(planGet, { planId })).toMatchObject({ stepsTotal: 601, stepsEnded: 0 });
  await bench.perform(planId, "a", "b0");
  expect(await bench.value(planGet, { planId })).toMatchObject({ stepsSucceeded: 2 });
});

test("a stale step stays without a cascade, and a failed plan is taken up again", async () => {
  const planId = await planned([step("a"), consumer("b", "a"), step("c", ["b"])]);
  await bench.perform(planId, "a", "b");
  await bench.lease(planId, "c");
  await bench.finish(planId, "c", failure("no luck"));
  const wish = { ...at(planId, "a"), cascade: false, order: "UNDO_FIRST" as const, dryRun: false };
  expect(await bench.value(stepRerun(bench.heavy), wish)).toMatchObject({ rerun: ["c"], stale: ["b"] });
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "ACTIVE" });
  await bench.perform(planId, "a", "c");
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED" });
  expect(await bench.refusal(stepRerun(bench.heavy), { ...wish, step: "nobody" })).toMatchObject({
    reason: "NOT_FOUND",
  });
});

const by = (result: OutcomeResult, over: Partial<ByHand> = {}) => ({
  result: result as ByHand["result"],
  usage: null,
  fencing: 0,
  ordinal: 0,
  ...over,
});

test("a leased step is resolved by hand: its outputs flow on, and the lease is no more", async () => {
  const planId = await planned([step("a", [], { tokens: 5 }), consumer("b", "a")]);
  await bench.lease(planId, "a");
  const result = await bench.run(stepResolve, { ...at(planId, "a"), ...by(success('{"made":"by hand"}')) });
  if (!("done" in result)) throw new Error(result.refusal.explanation);
  expect(result.done).toMatchObject({ value: { row: { state: "SUCCEEDED" } }, stops: [{ lease: { step: "a" } }] });
  expect(await bench.value(stepGet, { planId, step: "b" })).toMatchObject({
    row: { state: "READY" },
    input: { text: '{"run":"by hand"}' },
  });
  const { items } = await bench.value(stepListAttempts, { planId, step: "a", page: FIRST });
  expect(items.map((a) => [a.state, a.executorId === NOBODY])).toEqual([
    ["LOST", false],
    ["SUCCEEDED", true],
  ]);
  expect(await bench.value(planGet, { planId })).toMatchObject({ account: { presumed: { tokens: 5 } } });
  expect(await bench.refusal(stepResolve, { ...at(planId, "a"), ...by(success("{}")) })).toMatchObject({
    reason: "STATE_CONFLICT",
  });
});

test("of several who resolve a step at once, one does, and what its executor says comes too late or is the word that counts", async () => {
  const planId = await planned([step("a")]);
  await bench.lease(planId, "a");
  const words = ["1", "2", "3", "4"].map((n) => ({ ...at(planId, "a"), ...by(success(`{"made":"${n}"}`)) }));
  const answers = await Promise.all([
    ...words.map((word) => bench.run(stepResolve, word).then((answer) => "done" in answer)),
    bench.finish(planId, "a").then(
      () => true,
      () => false,
    ),
  ]);
  expect(answers.filter(Boolean)).toHaveLength(1);
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED", stepsSucceeded: 1 });
});

test("credit of a plan with steps that ran again or were resolved by hand goes by what happened to their last rows", async () => {
  const planId = await planned([step("a"), consumer("b", "a"), step("c", ["b"])]);
  await bench.perform(planId, "a");
  await bench.value(stepRerun(bench.heavy), {
    ...at(planId, "a"),
    cascade: false,
    order: "UNDO_FIRST" as const,
    dryRun: false,
  });
  await bench.perform(planId, "a", "b");
  await bench.value(stepResolve, { ...at(planId, "c"), ...by(success("{}")) });
  const { trace } = await bench.value(creditTrace(bench.heavy), { planId, step: "" });
  expect(trace.criticalPath).toEqual(["a", "b", "c"]);
  const steps = new Map(trace.steps.map((one) => [one.key, one]));
  expect(steps.get("c")).toMatchObject({ state: "SUCCEEDED", executorId: NOBODY, executingMs: 0 });
  for (const one of trace.steps) expect(one.waitingMs + one.queueingMs, one.key).toBeGreaterThanOrEqual(0);
  expect(trace.usage.tokens).toBeGreaterThanOrEqual(2);
});

test("a compensation that failed is tried again, or resolved by hand, after the plan was cancelled", async () => {
  const planId = await planned([
    step("a", [], { compensation: UNDO }),
    step("b", ["a"], { compensation: UNDO }),
    step("c", ["b"]),
  ]);
  await bench.perform(planId, "a", "b");
  await bench.value(planCancel, { planId, reason: "", compensate: true });
  for (const key of ["b", "a"]) {
    await bench.lease(planId, key);
    await bench.finish(planId, key, failure("cannot"));
  }
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "CANCELLED", stepsFailed: 3 });
  expect(await bench.value(stepRetry, { ...at(planId, "a"), ordinal: 0 })).toMatchObject({
    row: { state: "COMPENSATING" },
  });
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPENSATING", ending: "CANCELLED" });
  expect(await bench.refusal(stepRetry, { ...at(planId, "b"), ordinal: 0 })).toMatchObject({
    reason: "STATE_CONFLICT",
    retryable: true,
  });
  await bench.perform(planId, "a");
  const usage = { ...NOTHING, tokens: 2 };
  await bench.value(stepResolve, { ...at(planId, "b"), ...by(success("{}"), { usage }) });
  expect(await bench.states(planId)).toEqual({ a: "COMPENSATED", b: "COMPENSATED", c: "CANCELLED" });
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "CANCELLED", stepsFailed: 1 });
});

test("a rerun waits for an undoing that failed until that is tried again by the step's key, its row's number, or many at once", async () => {
  const made = { ...UNDO, input: { kind: "json" as const, text: '{"undo":"${{ steps.a.outputs.made }}"}' } };
  const planId = await planned([step("a", [], { compensation: made }), step("b", ["a"])]);
  const rerun = { ...at(planId, "a"), cascade: false, order: "UNDO_FIRST" as const, dryRun: false };
  const cannot = async (): Promise<number> => {
    const { row } = await bench.value(stepRetry, { ...at(planId, "a"), ordinal: 0 });
    await undoingFails(planId, "a");
    return row.ordinal;
  };
  await bench.perform(planId, "a");
  const before = await bench.value(stepGet, { planId, step: "a" });
  await bench.value(stepRerun(bench.heavy), rerun);
  const { ordinal } = before.row;
  await undoingFails(planId, "a");
  expect(await bench.states(planId)).toEqual({ a: "PENDING", b: "PENDING" });
  expect(await bench.value(explain(), { planId, step: "", page: FIRST })).toMatchObject({
    summary: expect.stringContaining(`Not undone: a (row ${String(ordinal)})`) as string,
    waiting: [{ cause: "PREDECESSOR", explanation: expect.stringContaining("could not be undone") as string }, {}],
  });
  // By the key, as there is nothing else to retry under it.
  expect(await cannot()).toBe(ordinal);
  const { last, input } = await bench.value(stepRetry, { ...at(planId, "a"), ordinal });
  expect([last?.undoing, input]).toEqual([true, { kind: "json", text: '{"undo":"a"}' }]);
  await undoingFails(planId, "a");
  expect(await bench.refusal(stepRetry, { ...at(planId, "b"), ordinal })).toMatchObject({ reason: "NOT_FOUND" });
  const many = { planId, verb: "retry" as const, states: ["COMPENSATION_FAILED" as const], reason: "", page: FIRST };
  expect(await bench.value(stepChange, { ...many, keys: "b*", dryRun: false })).toMatchObject({ matched: 0 });
  expect(await bench.value(stepChange, { ...many, keys: "", dryRun: true })).toMatchObject({ steps: ["a"] });
  expect(await bench.value(stepChange, { ...many, keys: "", dryRun: false })).toMatchObject({ steps: ["a"] });
  await undoingFails(planId, "a");
  await bench.value(stepResolve, { ...at(planId, "a"), ...by(success("{}"), {}), ordinal });
  expect(await bench.states(planId)).toEqual({ a: "READY", b: "PENDING" });
  await bench.perform(planId, "a", "b");
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED" });
});

test("what two rows under one key left behind is tried again row by row, in pages that keep rows of a key together", async () => {
  const planId = await planned([step("a", [], { compensation: UNDO }), step("b"), step("c", ["a", "b"])]);
  const rerun = { ...at(planId, "a"), cascade: false, order: "AT_ONCE" as const, dryRun: false };
  for (const times of [1, 2]) {
    await bench.perform(planId, "a");
    await bench.value(stepRerun(bench.heavy), rerun);
    await undoingFails(planId, "a");
    expect(await rowCount(planId, "a")).toBe(times + 1);
  }
  const many = { planId, verb: "retry" as const, states: ["COMPENSATION_FAILED" as const], keys: "", reason: "" };
  const answer = await bench.value(stepChange, { ...many, dryRun: false, page: { limit: 1, after: null } });
  expect(answer).toMatchObject({
    matched: 2,
    steps: ["a"],
    refused: [{ step: "a", refusal: { reason: "STATE_CONFLICT", retryable: true } }],
    next: null,
  });
});
