// Verbs on many steps or plans at once, page by page, against a real store; what is passed over is counted. Not here: what each verb
// means (test/domain), steps one by one (steps-by-hand.test.ts), and the wire (test/wire).
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PlanId } from "../../src/domain/id.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { planChange } from "../../src/operations/plan-change.ts";
import type { PlanChangeRequest, PlanChangeResponse } from "../../src/operations/plan-change.ts";
import { planGet } from "../../src/operations/plan-get.ts";
import { stepChange } from "../../src/operations/step-change.ts";
import type { StepChangeRequest, StepChangeResponse } from "../../src/operations/step-change.ts";
import { failure, FIRST, openBench, spec, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
  await bench.value(charterDeclare, { name: "release", terms: terms(), expectedRevision: 0 });
});
afterAll(() => bench.end());

async function planned(
  steps: readonly StepDefinition[],
  labels: Readonly<Record<string, string>> = {},
): Promise<PlanId> {
  const target = { kind: "new" as const, charter: "release", spec: spec({ labels }) };
  return (await bench.value(maestroPlan(bench.heavy), { target, steps, acceptLate: false })).plan.planId;
}
async function kinds(planId: PlanId): Promise<readonly string[]> {
  const records = await bench.it.store.transaction([bench.org.orgId], (tx) =>
    tx.records.ofPlan(bench.org.orgId, planId, 0, 1_000),
  );
  return records.map((record) => record.kind);
}

test("pages of several callers over the same plans pass each other, and each plan is changed once", async () => {
  const mine: PlanId[] = [];
  for (let i = 0; i < 6; i++) mine.push(await planned([step("a")], { team: "contested" }));
  const filter = 'labels.team == "contested"';
  const wish = { charter: "", filter, reason: "", compensate: false, dryRun: false, page: FIRST };
  const answers = await Promise.all([1, 2, 3].map(() => bench.value(planChange, { ...wish, verb: "cancel" as const })));
  expect(answers.flatMap(({ planIds }) => planIds).sort()).toEqual([...mine].sort());
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
  expect(await bench.value(stepChange, wish({ dryRun: true }))).toMatchObject({
    matched: 25,
    passedOver: [],
    next: null,
  });
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
  expect(await bench.value(stepChange, wish({}))).toMatchObject({
    matched: 0,
    passedOver: [
      {
        reason: "STATE_CONFLICT",
        state: "WAITING",
        count: 25,
        examples: ["build-00", "build-01", "build-02"],
        explanation: "A step that is WAITING and held already cannot be held back.",
      },
    ],
    next: null,
  });
  const some = await bench.value(stepChange, wish({ verb: "release", keys: "build-?5" }));
  expect(some).toMatchObject({ steps: ["build-05", "build-15"], passedOver: [], next: null });
  // Each page counts its own.
  const pages: number[] = [];
  for (let after: StepChangeRequest["page"]["after"] = null, more = true; more;) {
    const page: StepChangeResponse = await bench.value(
      stepChange,
      wish({ verb: "release", keys: "*", dryRun: true, page: { limit: 1, after } }),
    );
    pages.push(page.matched, ...page.passedOver.map(({ count }) => count));
    after = page.next;
    more = after !== null;
  }
  expect(pages).toEqual([23, 5]);
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
  const again = { matched: 0, passedOver: [{ state: "SUSPENDED", count: 7, examples: mine.slice(0, 3) }] };
  expect(await bench.value(planChange, wish({ page: FIRST, dryRun: true }))).toMatchObject(again);
  expect(await bench.value(planChange, wish({ page: FIRST }))).toMatchObject(again);
  expect(await bench.value(planChange, wish({ verb: "resume", page: FIRST }))).toMatchObject({ matched: 7 });
  expect(await bench.value(planChange, wish({ verb: "cancel", page: FIRST }))).toMatchObject({ matched: 7 });
  expect(await bench.value(planGet, { planId: mine[0] ?? other })).toMatchObject({ state: "CANCELLED" });
  expect(await bench.value(planGet, { planId: other })).toMatchObject({ state: "ACTIVE" });
  expect(await bench.refusal(planChange, wish({ filter: "" }))).toMatchObject({ reason: "INVALID_REQUEST" });
  expect(await bench.refusal(planChange, wish({ filter: "1 + 1" }))).toMatchObject({ reason: "FILTER_UNSUPPORTED" });
  expect(await bench.refusal(planChange, wish({ charter: "nobody's" }))).toMatchObject({ reason: "NOT_FOUND" });
});
