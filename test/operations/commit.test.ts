// Charters, refining, committing and ratifying against a real store.
import { afterAll, beforeAll, expect, test } from "vitest";
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import { goalOfPlan } from "../../src/domain/id.ts";
import { approvalDecide } from "../../src/operations/approval-decide.ts";
import { approvalList } from "../../src/operations/approval-list.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { charterGet } from "../../src/operations/charter-get.ts";
import { goalGet } from "../../src/operations/goal-get.ts";
import { goalRefine } from "../../src/operations/goal-refine.ts";
import { graphAddSteps } from "../../src/operations/graph-add-steps.ts";
import { graphCommit } from "../../src/operations/graph-commit.ts";
import { graphGet } from "../../src/operations/graph-get.ts";
import { graphList } from "../../src/operations/graph-list.ts";
import { graphListEdges } from "../../src/operations/graph-list-edges.ts";
import { graphListSteps } from "../../src/operations/graph-list-steps.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { planCancel } from "../../src/operations/plan-cancel.ts";
import { planGet } from "../../src/operations/plan-get.ts";
import { planList } from "../../src/operations/plan-list.ts";
import { queryGoals } from "../../src/operations/query-goals.ts";
import { FIRST, openBench, spec, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
  await bench.value(charterDeclare, {
    name: "release",
    terms: terms({ budget: { ...NO_LIMITS, tokens: 100, currency: "" }, deadlineMs: 10_000 }),
    expectedRevision: 0,
  });
  await bench.value(charterDeclare, { name: "careful", terms: terms({ ratifyCommits: true }), expectedRevision: 0 });
});
afterAll(() => bench.end());

const target = { kind: "new", charter: "release", spec: spec() } as const;

test("a charter with the same terms is not revised; other terms make a revision; the expected revision is checked", async () => {
  const first = await bench.value(charterDeclare, { name: "c", terms: terms(), expectedRevision: 0 });
  expect(first).toMatchObject({ changed: true, charter: { revision: 1 } });
  expect(await bench.value(charterDeclare, { name: "c", terms: terms(), expectedRevision: 1 })).toMatchObject({
    changed: false,
    charter: { revision: 1 },
  });
  const second = await bench.value(charterDeclare, {
    name: "c",
    terms: terms({ purpose: "other" }),
    expectedRevision: 1,
  });
  expect(second.charter).toMatchObject({ revision: 2, charterId: first.charter.charterId });
  expect(await bench.refusal(charterDeclare, { name: "c", terms: terms(), expectedRevision: 1 })).toMatchObject({
    reason: "VERSION_CONFLICT",
    metadata: { expected: "1", actual: "2" },
  });
  expect(await bench.value(charterGet, { charter: "c", revision: 1 })).toMatchObject({
    revision: 1,
    terms: { purpose: "" },
  });
  expect(await bench.refusal(charterGet, { charter: "c", revision: 7 })).toMatchObject({ reason: "NOT_FOUND" });
  const money = terms({ budget: { ...NO_LIMITS, moneyMicros: 5, currency: "" } });
  expect(await bench.refusal(charterDeclare, { name: "m", terms: money, expectedRevision: 0 })).toMatchObject({
    reason: "INVALID_REQUEST",
    violations: [{ field: "terms.budget.currency" }],
  });
});

test("steps become an analysed version; committing it makes the first steps ready", async () => {
  const steps = [
    step("build", [], { ms: 1_000 }),
    step("test", ["build"], { ms: 2_000 }),
    step("sums", [], { run: "sum ${{ steps.build.outputs.made }}" }),
  ];
  const refined = await bench.value(goalRefine(bench.heavy), { target, steps, version: 0, open: false });
  expect(refined).toMatchObject({
    goal: { state: "REFINED" },
    version: {
      version: 1,
      state: "REFINED",
      stepCount: 3,
      edgeCount: 2,
      analysis: { levels: 2, makespanMs: 3_000, feasible: true, unservableSteps: ["build", "test", "sums"] },
    },
  });
  const { planId } = refined.goal;
  const goalId = goalOfPlan(planId);
  expect(await bench.refusal(planGet, { planId })).toMatchObject({ reason: "NOT_FOUND" });
  expect(
    (await bench.value(graphListEdges, { goalId, version: 1, page: FIRST })).items.map((e) => [e.from, e.to, e.kind]),
  ).toEqual([
    ["build", "sums", "VALUE"],
    ["build", "test", "EXPLICIT"],
  ]);
  const some = await bench.value(graphListSteps, { goalId, version: 1, page: { limit: 2, after: null } });
  expect([some.items.map((s) => s.definition.key), some.next]).toEqual([["build", "sums"], ["sums"]]);
  expect(
    await bench.refusal(graphCommit(bench.heavy), { goalId, version: 1, expectedActiveVersion: 3, acceptLate: false }),
  ).toMatchObject({ reason: "VERSION_CONFLICT" });
  const { plan } = await bench.value(graphCommit(bench.heavy), {
    goalId,
    version: 1,
    expectedActiveVersion: 0,
    acceptLate: false,
  });
  expect(plan).toMatchObject({
    state: "ACTIVE",
    activeVersion: 1,
    stepsTotal: 3,
    account: { allotted: { tokens: 100 } },
  });
  expect(plan.deadlineMs).toBe((plan.committedMs ?? 0) + 10_000);
  expect(await bench.states(planId)).toEqual({ build: "READY", test: "PENDING", sums: "PENDING" });
  await bench.perform(planId, "build");
  expect(await bench.states(planId)).toEqual({ build: "SUCCEEDED", test: "READY", sums: "READY" });
  await bench.perform(planId, "test", "sums");
  expect(await bench.value(goalGet, { goalId })).toMatchObject({ state: "ACHIEVED", stepsSucceeded: 3 });
  expect(
    await bench.refusal(graphCommit(bench.heavy), { goalId, version: 1, expectedActiveVersion: 1, acceptLate: false }),
  ).toMatchObject({ reason: "STATE_CONFLICT" });
});

test.each([
  [
    "a cycle by its path",
    [step("a", ["c"]), step("b", ["a"]), step("c", ["b"])],
    {
      reason: "CYCLE",
      metadata: { cycle: expect.stringMatching(/(a → b → c → a|b → c → a → b|c → a → b → c)/) as string },
    },
  ],
  [
    "a need that is not there",
    [step("a", ["ghost"])],
    {
      reason: "MISSING_PREMISES",
      metadata: { missing: "ghost", needed_by: "a" },
      violations: [{ field: "steps[0].needs[0].step" }],
    },
  ],
  [
    "a reference to a step that is not there",
    [step("a"), step("b", [], { run: "${{ steps.ghost.outputs.x }}" })],
    { reason: "MISSING_PREMISES", metadata: { missing: "ghost", needed_by: "b" } },
  ],
  [
    "an input that the goal does not have",
    [step("a", [], { run: "${{ goal.inputs.ref }}" })],
    { reason: "MISSING_PREMISES", metadata: { missing: "goal.inputs.ref", needed_by: "a" } },
  ],
  [
    "an artifact that nobody makes",
    [step("a", [], { consumes: ["tarball"] })],
    { reason: "MISSING_PREMISES", metadata: { missing: "tarball", needed_by: "a" } },
  ],
  [
    "a key that is given twice",
    [step("a"), step("a")],
    { reason: "INVALID_REQUEST", violations: [{ field: "steps[1].key" }] },
  ],
  [
    "an expression that cannot be read",
    [step("a", [], { condition: "1 +" })],
    { reason: "INVALID_REQUEST", violations: [{ field: "steps[0].condition" }] },
  ],
  [
    "a schema that is none",
    [step("a", [], { outputSchema: '{"type":7}' })],
    { reason: "INVALID_REQUEST", violations: [{ field: "steps[0].output_schema" }] },
  ],
  [
    "an input that is not JSON",
    [step("a", [], { input: { kind: "json", text: "{" } })],
    { reason: "INVALID_REQUEST", violations: [{ field: "steps[0].input" }] },
  ],
  [
    "an estimate that shrinks",
    [step("a", [], { estimate: { optimisticMs: 3, likelyMs: 2, pessimisticMs: 4 } })],
    { reason: "INVALID_REQUEST", violations: [{ field: "steps[0].estimate" }] },
  ],
  ["no steps", [], { reason: "INVALID_REQUEST", violations: [{ field: "steps" }] }],
])("refining refuses %s, and writes nothing", async (_what, steps, expected) => {
  const before = (await bench.value(queryGoals, { charter: "", filter: "", orderBy: "", page: FIRST })).items.length;
  expect(await bench.refusal(goalRefine(bench.heavy), { target, steps, version: 0, open: false })).toMatchObject(
    expected,
  );
  expect((await bench.value(queryGoals, { charter: "", filter: "", orderBy: "", page: FIRST })).items).toHaveLength(
    before,
  );
});

test("a large graph comes in pages, and is finished in a worker thread", async () => {
  const page = (from: number) =>
    Array.from({ length: 400 }, (_, i) =>
      step(`s${String(from + i)}`, from + i === 0 ? [] : [`s${String(Math.floor((from + i - 1) / 2))}`]),
    );
  const { goal } = await bench.value(goalRefine(bench.heavy), { target, steps: page(0), version: 0, open: true });
  const goalId = goalOfPlan(goal.planId);
  expect(goal.state).toBe("DRAFT");
  expect(await bench.value(graphAddSteps, { goalId, version: 1, steps: page(400) })).toMatchObject({
    state: "DRAFT",
    stepCount: 800,
  });
  expect(await bench.refusal(graphAddSteps, { goalId, version: 1, steps: [step("new"), step("s5")] })).toMatchObject({
    reason: "ALREADY_EXISTS",
    metadata: { id: "s5" },
    violations: [{ field: "steps[1].key" }],
  });
  const dangling = {
    target: { kind: "existing", goalId },
    steps: [step("last", ["nobody"])],
    version: 1,
    open: false,
  } as const;
  expect(await bench.refusal(goalRefine(bench.heavy), dangling)).toMatchObject({
    reason: "MISSING_PREMISES",
    violations: [{ field: "steps[0].needs[0].step" }],
  });
  const done = await bench.value(goalRefine(bench.heavy), { ...dangling, steps: [step("last", ["s799"])] });
  expect(done).toMatchObject({ goal: { state: "REFINED" }, version: { state: "REFINED", stepCount: 801 } });
  expect(await bench.refusal(graphAddSteps, { goalId, version: 1, steps: [step("x")] })).toMatchObject({
    reason: "STATE_CONFLICT",
  });
  const { plan } = await bench.value(graphCommit(bench.heavy), {
    goalId,
    version: 1,
    expectedActiveVersion: 0,
    acceptLate: false,
  });
  expect(plan.stepsTotal).toBe(801);
  const states = Object.values(await bench.states(goal.planId));
  expect(states.filter((s) => s === "READY")).toHaveLength(1);
});

test("planning refines and commits at once, or does nothing at all", async () => {
  const planned = await bench.value(maestroPlan(bench.heavy), {
    target,
    steps: [step("a", [], { tokens: 10 })],
    acceptLate: false,
  });
  expect(planned).toMatchObject({
    goal: { state: "ACTIVE" },
    version: { state: "ACTIVE" },
    plan: { state: "ACTIVE" },
    approvalId: null,
  });
  const before = (await bench.value(planList, { planId: null, states: [], page: FIRST })).items.length;
  expect(
    await bench.refusal(maestroPlan(bench.heavy), {
      target,
      steps: [step("a", [], { tokens: 101 })],
      acceptLate: false,
    }),
  ).toMatchObject({
    reason: "BUDGET_EXHAUSTED",
    metadata: { dimension: "tokens", needed: "101", available: "100", step: "a" },
  });
  const late = [step("a", [], { ms: 8_000 }), step("b", ["a"], { ms: 8_000 })];
  expect(await bench.refusal(maestroPlan(bench.heavy), { target, steps: late, acceptLate: false })).toMatchObject({
    reason: "DEADLINE_INFEASIBLE",
    metadata: { needed_ms: "16000", allowed_ms: "10000", steps: "a, b" },
  });
  expect((await bench.value(planList, { planId: null, states: [], page: FIRST })).items).toHaveLength(before);
  expect((await bench.value(maestroPlan(bench.heavy), { target, steps: late, acceptLate: true })).plan.state).toBe(
    "ACTIVE",
  );
});

test("a commit under a careful charter waits for somebody else's word on exactly what was shown", async () => {
  const planned = await bench.value(maestroPlan(bench.heavy), {
    target: { ...target, charter: "careful" },
    steps: [step("a")],
    acceptLate: false,
  });
  expect(planned).toMatchObject({
    version: { state: "AWAITING_RATIFICATION" },
    plan: { state: "AWAITING_RATIFICATION", pendingVersion: 1, activeVersion: 0 },
  });
  const { planId } = planned.plan;
  const [approval] = (await bench.value(approvalList, { planId, pendingOnly: true, page: FIRST })).items;
  if (approval === undefined) throw new Error("no approval");
  const decide = { approvalId: approval.approvalId, approve: true, digest: approval.digest, comment: "fine" };
  expect(await bench.refusal(approvalDecide(bench.heavy), decide)).toMatchObject({ reason: "APPROVAL_REQUIRED" });
  expect(
    await bench.refusal(approvalDecide(bench.heavy), { ...decide, digest: "sha256:other" }, bench.context("bob")),
  ).toMatchObject({ reason: "CONTRADICTORY_EVIDENCE" });
  expect(await bench.value(approvalDecide(bench.heavy), decide, bench.context("bob"))).toMatchObject({
    state: "APPROVED",
    decidedBy: "bob",
    comment: "fine",
  });
  expect(await bench.value(planGet, { planId })).toMatchObject({
    state: "ACTIVE",
    activeVersion: 1,
    pendingVersion: 0,
  });
  expect(await bench.states(planId)).toEqual({ a: "READY" });
  expect(await bench.refusal(approvalDecide(bench.heavy), decide, bench.context("bob"))).toMatchObject({
    reason: "STATE_CONFLICT",
  });
});

test("a rejected commit leaves the goal to be refined and committed again", async () => {
  const { plan } = await bench.value(maestroPlan(bench.heavy), {
    target: { ...target, charter: "careful" },
    steps: [step("a")],
    acceptLate: false,
  });
  const goalId = goalOfPlan(plan.planId);
  const [approval] = (await bench.value(approvalList, { planId: plan.planId, pendingOnly: true, page: FIRST })).items;
  if (approval === undefined) throw new Error("no approval");
  await bench.value(
    approvalDecide(bench.heavy),
    { approvalId: approval.approvalId, approve: false, digest: approval.digest, comment: "" },
    bench.context("bob"),
  );
  expect(await bench.value(graphGet, { goalId, version: 1 })).toMatchObject({ state: "REJECTED" });
  const again = await bench.value(maestroPlan(bench.heavy), {
    target: { kind: "existing", goalId },
    steps: [step("b")],
    acceptLate: false,
  });
  expect(again.plan).toMatchObject({ state: "AWAITING_RATIFICATION", pendingVersion: 2 });
  expect((await bench.value(graphList, { goalId, page: FIRST })).items.map((v) => [v.version, v.state])).toEqual([
    [2, "AWAITING_RATIFICATION"],
    [1, "REJECTED"],
  ]);
});

test("a goal that is cancelled before its first version was ratified rejects it", async () => {
  const { plan } = await bench.value(maestroPlan(bench.heavy), {
    target: { ...target, charter: "careful" },
    steps: [step("a")],
    acceptLate: false,
  });
  const { planId } = plan;
  expect(await bench.value(planCancel, { planId, reason: "no", compensate: false })).toMatchObject({
    state: "CANCELLED",
    pendingVersion: 0,
  });
  expect(await bench.value(graphGet, { goalId: goalOfPlan(planId), version: 1 })).toMatchObject({ state: "REJECTED" });
});

test("goals are found by filter, and a filter that is not understood is refused", async () => {
  const labelled = { ...target, spec: spec({ name: "labelled", labels: { team: "core" } }) };
  await bench.value(goalRefine(bench.heavy), { target: labelled, steps: [step("a")], version: 0, open: false });
  const found = await bench.value(queryGoals, {
    charter: "release",
    filter: 'labels.team == "core" && state == "REFINED"',
    orderBy: "name",
    page: FIRST,
  });
  expect(found.items.map((g) => g.spec.name)).toEqual(["labelled"]);
  expect(
    await bench.refusal(queryGoals, { charter: "", filter: "size(name) > 3", orderBy: "", page: FIRST }),
  ).toMatchObject({ reason: "FILTER_UNSUPPORTED" });
  expect(await bench.refusal(queryGoals, { charter: "", filter: "", orderBy: "color", page: FIRST })).toMatchObject({
    reason: "INVALID_REQUEST",
    violations: [{ field: "order_by" }],
  });
  expect(await bench.refusal(queryGoals, { charter: "none", filter: "", orderBy: "", page: FIRST })).toMatchObject({
    reason: "NOT_FOUND",
  });
});
