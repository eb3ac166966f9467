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
import { planCancel } from "../../src/operations/plan-cancel.ts";
import { planChange } from "../../src/operations/plan-change.ts";
import type { PlanChangeRequest, PlanChangeResponse } from "../../src/operations/plan-change.ts";
import { planGet } from "../../src/operations/plan-get.ts";
import { stepChange } from "../../src/operations/step-change.ts";
import type { StepChangeRequest, StepChangeResponse } from "../../src/operations/step-change.ts";
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
  const wish = { ...at(planId, "a"), cascade: true, dryRun: true };
  const told = await bench.value(stepRerun(bench.heavy), wish);
  expect(told).toMatchObject({ rerun: ["b"], stale: [], compensated: ["a"], notCompensable: ["b"] });
  expect(await bench.states(planId)).toEqual({ a: "SUCCEEDED", b: "SUCCEEDED", c: "READY" });
  const before = (await kinds(planId)).length;
  expect(await bench.value(stepRerun(bench.heavy), { ...wish, dryRun: false })).toMatchObject({
    step: { row: { key: "a", state: "READY" } },
    rerun: ["b"],
  });
  expect(await bench.states(planId)).toEqual({ a: "READY", b: "PENDING", c: "PENDING" });
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
  const wish = { ...at(planId, "a"), cascade: false, dryRun: false };
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

test("pages of several callers over the same plans pass each other, and each plan is changed once", async () => {
  const mine: PlanId[] = [];
  for (let i = 0; i < 6; i++) mine.push(await planned([step("a")], { team: "contested" }));
  const filter = 'labels.team == "contested"';
  const wish = { charter: "", filter, reason: "", compensate: false, dryRun: false, page: FIRST };
  const answers = await Promise.all([1, 2, 3].map(() => bench.value(planChange, { ...wish, verb: "cancel" as const })));
  expect(answers.flatMap(({ planIds }) => planIds).sort()).toEqual([...mine].sort());
});

test("credit of a plan with steps that ran again or were resolved by hand goes by what happened to their last rows", async () => {
  const planId = await planned([step("a"), consumer("b", "a"), step("c", ["b"])]);
  await bench.perform(planId, "a");
  await bench.value(stepRerun(bench.heavy), { ...at(planId, "a"), cascade: false, dryRun: false });
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
  expect(await bench.value(stepRetry, at(planId, "a"))).toMatchObject({ row: { state: "COMPENSATING" } });
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPENSATING", ending: "CANCELLED" });
  expect(await bench.refusal(stepRetry, at(planId, "b"))).toMatchObject({ reason: "STATE_CONFLICT", retryable: true });
  await bench.perform(planId, "a");
  const usage = { ...NOTHING, tokens: 2 };
  await bench.value(stepResolve, { ...at(planId, "b"), ...by(success("{}"), { usage }) });
  expect(await bench.states(planId)).toEqual({ a: "COMPENSATED", b: "COMPENSATED", c: "CANCELLED" });
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "CANCELLED", stepsFailed: 1 });
});

test("many steps are held, released and skipped by a pattern of their keys, page by page", async () => {
  const keys = Array.from({ length: 25 }, (_, i) => `build-${String(i).padStart(2, "0")}`);
  const planId = await planned([...keys.map((key) => step(key)), step("build"), step("builder"), step("test-0")]);
  const wish = (over: Partial<StepChangeRequest>): StepChangeRequest => ({
    planId,
    verb: "hold",
    states: [],
    keys: "build-*",
    reason: "",
    dryRun: false,
    page: { limit: 10, after: null },
    ...over,
  });
  expect(await bench.value(stepChange, wish({ dryRun: true }))).toMatchObject({ matched: 25, next: null });
  const held: string[] = [];
  for (let after: StepChangeRequest["page"]["after"] = null, more = true; more;) {
    const { steps, refused, next }: StepChangeResponse = await bench.value(
      stepChange,
      wish({ page: { limit: 10, after } }),
    );
    expect(refused).toEqual([]);
    held.push(...steps);
    after = next;
    more = next !== null;
  }
  expect(held).toEqual(keys);
  // The same again finds nothing left to do.
  expect(await bench.value(stepChange, wish({}))).toMatchObject({ matched: 0, next: null });
  const some = await bench.value(stepChange, wish({ verb: "release", keys: "build-?5" }));
  expect(some).toMatchObject({ steps: ["build-05", "build-15"], next: null });
  expect(await bench.value(stepChange, wish({ verb: "skip", states: ["WAITING"], keys: "" }))).toMatchObject({
    matched: 10,
  });
  expect((await kinds(planId)).filter((kind) => kind.startsWith("step."))).toHaveLength(25 + 2 + 10);
});

test("many failed steps are tried again; what one brings back with it is no trouble, and a no is recorded", async () => {
  const skips = { onFailure: "SKIP_DEPENDENTS" as const };
  const planId = await planned([
    step("x"),
    step("a", [], skips),
    step("b", [], skips),
    step("z", [], { requiresApproval: true }),
  ]);
  for (const key of ["a", "b", "x"]) await bench.lease(planId, key);
  for (const key of ["a", "b", "x"]) await bench.finish(planId, key, failure("no luck"));
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "FAILED" });
  const wish = { planId, verb: "retry" as const, states: [], keys: "", reason: "", dryRun: false, page: FIRST };
  expect(await bench.value(stepChange, wish)).toMatchObject({ steps: ["a", "b"], refused: [], next: null });
  expect(await bench.states(planId)).toEqual({ a: "READY", b: "READY", x: "READY", z: "AWAITING_APPROVAL" });
  const ended = await planned([step("a", [], skips)]);
  await bench.lease(ended, "a");
  await bench.finish(ended, "a", failure("no luck"));
  expect(await bench.value(stepChange, { ...wish, planId: ended })).toMatchObject({
    matched: 1,
    steps: [],
    refused: [{ step: "a", refusal: { reason: "STATE_CONFLICT", metadata: { kind: "plan", state: "COMPLETED" } } }],
  });
  const missing = { ...wish, planId: bench.org.orgId as string as PlanId };
  expect(await bench.refusal(stepChange, missing)).toMatchObject({ reason: "NOT_FOUND" });
});

test("plans are suspended, resumed and cancelled by a filter of their goals, from the oldest on", async () => {
  const mine: PlanId[] = [];
  for (let i = 0; i < 7; i++) mine.push(await planned([step("a")], { team: "core" }));
  const other = await planned([step("a")], { team: "other" });
  const wish = (over: Partial<PlanChangeRequest>): PlanChangeRequest => ({
    verb: "suspend",
    charter: "",
    filter: 'labels.team == "core"',
    reason: "maintenance",
    compensate: false,
    dryRun: false,
    page: { limit: 3, after: null },
    ...over,
  });
  expect(await bench.value(planChange, wish({ dryRun: true }))).toMatchObject({ matched: 7, next: null });
  const changed: PlanId[] = [];
  for (let after: PlanChangeRequest["page"]["after"] = null, calls = 1; ; calls++) {
    const answer: PlanChangeResponse = await bench.value(planChange, wish({ page: { limit: 3, after } }));
    changed.push(...answer.planIds);
    after = answer.next;
    if (after !== null) continue;
    expect(calls).toBe(3);
    break;
  }
  expect(changed).toEqual(mine);
  for (const planId of mine) expect((await kinds(planId)).at(-1)).toBe("plan.suspend");
  expect(await bench.value(planChange, wish({ page: FIRST }))).toMatchObject({ matched: 0 });
  expect(await bench.value(planChange, wish({ verb: "resume", page: FIRST }))).toMatchObject({ matched: 7 });
  expect(await bench.value(planChange, wish({ verb: "cancel", page: FIRST }))).toMatchObject({ matched: 7 });
  expect(await bench.value(planGet, { planId: mine[0] ?? other })).toMatchObject({ state: "CANCELLED" });
  expect(await bench.value(planGet, { planId: other })).toMatchObject({ state: "ACTIVE" });
  expect(await bench.refusal(planChange, wish({ filter: "" }))).toMatchObject({ reason: "INVALID_REQUEST" });
  expect(await bench.refusal(planChange, wish({ filter: "1 + 1" }))).toMatchObject({ reason: "FILTER_UNSUPPORTED" });
  expect(await bench.refusal(planChange, wish({ charter: "nobody's" }))).toMatchObject({ reason: "NOT_FOUND" });
});
