// Re-planning against a real store: what is reused, carried on, stopped, undone and run again.
import { afterAll, beforeAll, expect, test } from "vitest";
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import type { CharterTerms } from "../../src/domain/charter.ts";
import { goalOfPlan } from "../../src/domain/id.ts";
import type { PlanId } from "../../src/domain/id.ts";
import { NO_RETRY } from "../../src/domain/step.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { approvalDecide } from "../../src/operations/approval-decide.ts";
import { approvalList } from "../../src/operations/approval-list.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { graphDiff } from "../../src/operations/graph-diff.ts";
import { graphGet } from "../../src/operations/graph-get.ts";
import { graphList } from "../../src/operations/graph-list.ts";
import { graphReplan } from "../../src/operations/graph-replan.ts";
import type { GraphReplanRequest, GraphReplanResponse } from "../../src/operations/graph-replan.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { planCancel } from "../../src/operations/plan-cancel.ts";
import { planGet } from "../../src/operations/plan-get.ts";
import { planSuspend } from "../../src/operations/plan-suspend.ts";
import { stepHold } from "../../src/operations/step-hold.ts";
import { stepRelease } from "../../src/operations/step-release.ts";
import { failure, FIRST, NO_CONSTRAINTS, openBench, spec, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.end());

let charters = 0;
async function planned(steps: readonly StepDefinition[], over: Partial<CharterTerms> = {}): Promise<PlanId> {
  const name = `charter-${String(++charters)}`;
  await bench.value(charterDeclare, { name, terms: terms(over), expectedRevision: 0 });
  const { plan } = await bench.value(maestroPlan(bench.heavy), {
    target: { kind: "new", charter: name, spec: spec() },
    steps,
    acceptLate: false,
  });
  return plan.planId;
}

function request(planId: PlanId, over: Partial<GraphReplanRequest>): GraphReplanRequest {
  return {
    planId,
    upsert: [],
    remove: [],
    dryRun: false,
    expectedActiveVersion: 1,
    expectedRevision: 0,
    reason: "",
    constraints: null,
    ...over,
  };
}

async function replan(planId: PlanId, over: Partial<GraphReplanRequest>): Promise<GraphReplanResponse> {
  return bench.value(graphReplan(bench.heavy), request(planId, over));
}

const fates = (response: GraphReplanResponse): Readonly<Record<string, string>> =>
  Object.fromEntries(response.steps.map((s) => [s.key, s.fate]));
const undo = { capability: "undo", input: null, timeoutMs: 1_000, retry: NO_RETRY };

test("what is done and unchanged keeps its row; what is new or changed gets one", async () => {
  const planId = await planned([step("a"), step("b", ["a"]), step("c", ["b"])]);
  await bench.perform(planId, "a");
  const before = await bench.rows(planId);
  const response = await replan(planId, {
    upsert: [step("b", ["a"], { run: "other" }), step("d", ["a", "c"])],
    reason: "b was wrong",
  });
  expect(response).toMatchObject({
    version: { version: 2, state: "ACTIVE", parentVersion: 1 },
    plan: { activeVersion: 2, stepsTotal: 4, stepsEnded: 1 },
    summary: { addedSteps: 1, changedSteps: 1, unchangedSteps: 2, reused: 1, rerun: 1 },
    staleSteps: [],
  });
  expect(fates(response)).toEqual({ b: "RERUN", d: "ADDED" });
  expect(response.steps.find((s) => s.key === "b")?.fields).toEqual([
    { path: "input.run", beforeJson: '"b"', afterJson: '"other"' },
  ]);
  const after = await bench.rows(planId);
  expect(after.get("a")?.ordinal).toBe(before.get("a")?.ordinal);
  expect(after.get("c")?.ordinal).toBe(before.get("c")?.ordinal);
  expect(after.get("b")?.ordinal).toBeGreaterThan(3);
  expect(await bench.states(planId)).toEqual({ a: "SUCCEEDED", b: "READY", c: "PENDING", d: "PENDING" });
  await bench.perform(planId, "b", "c", "d");
  expect(await bench.value(planGet, { planId })).toMatchObject({
    state: "COMPLETED",
    stepsEnded: 4,
    stepsSucceeded: 4,
    stepsRunning: 0,
  });
  expect(
    (await bench.value(graphList, { goalId: goalOfPlan(planId), page: FIRST })).items.map((v) => [v.version, v.state]),
  ).toEqual([
    [2, "ACTIVE"],
    [1, "SUPERSEDED"],
  ]);
});

test("a pending step that waits for two is not released by a done parent that gets another child", async () => {
  const planId = await planned([step("done"), step("open"), step("both", ["done", "open"])]);
  await bench.perform(planId, "done");
  await replan(planId, { upsert: [step("more", ["done"])] });
  expect(await bench.states(planId)).toEqual({ done: "SUCCEEDED", open: "READY", both: "PENDING", more: "READY" });
  expect((await bench.rows(planId)).get("both")?.waitingOn).toBe(1);
  await bench.perform(planId, "open");
  expect((await bench.states(planId))["both"]).toBe("READY");
});

test("what runs unchanged carries on under its lease; what runs and changed is told to stop, and the new row waits for it", async () => {
  const planId = await planned([step("same"), step("changed"), step("after", ["same", "changed"])]);
  await bench.lease(planId, "same");
  await bench.lease(planId, "changed");
  const before = await bench.rows(planId);
  const response = await replan(planId, { upsert: [step("changed", [], { run: "anew" })] });
  expect(fates(response)).toEqual({ changed: "STOPPED" });
  expect((await bench.rows(planId)).get("same")).toEqual(before.get("same"));
  expect(await bench.states(planId)).toEqual({ same: "LEASED", changed: "PENDING", after: "PENDING" });
  await bench.finish(planId, "changed", { kind: "stopped", message: "as told" });
  expect((await bench.states(planId))["changed"]).toBe("READY");
  await bench.finish(planId, "same");
  await bench.perform(planId, "changed", "after");
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED", stepsTotal: 3 });
});

test("fencing numbers of a step go on growing over its rows", async () => {
  const planId = await planned([step("a"), step("b", ["a"])]);
  await bench.perform(planId, "a");
  const before = (await bench.rows(planId)).get("a")?.fencing ?? 0;
  await replan(planId, { upsert: [step("a", [], { run: "again" })] });
  await bench.perform(planId, "a");
  expect((await bench.rows(planId)).get("a")?.fencing).toBeGreaterThan(before);
});

test("a row that waits for its predecessor is replaced by another re-plan without forgetting it", async () => {
  const planId = await planned([step("a")]);
  await bench.lease(planId, "a");
  await replan(planId, { upsert: [step("a", [], { run: "second" })] });
  await replan(planId, { upsert: [step("a", [], { run: "third" })], expectedActiveVersion: 2 });
  expect(await bench.states(planId)).toEqual({ a: "PENDING" });
  await bench.finish(planId, "a", { kind: "stopped", message: "" });
  expect(await bench.states(planId)).toEqual({ a: "READY" });
});

test("a done step that changed is undone if it can be, and runs again; one that cannot be is said to", async () => {
  const planId = await planned([
    step("paid", [], { compensation: undo }),
    step("mailed"),
    step("end", ["paid", "mailed"]),
  ]);
  await bench.perform(planId, "paid", "mailed");
  const response = await replan(planId, {
    upsert: [step("paid", [], { run: "more", compensation: undo }), step("mailed", [], { run: "again" })],
  });
  expect(fates(response)).toEqual({ paid: "COMPENSATED", mailed: "NOT_COMPENSABLE" });
  expect(response.summary).toMatchObject({ compensated: 1, notCompensable: 1, rerun: 2, reused: 0 });
  // The new one waits until the old one is undone.
  expect(await bench.states(planId)).toEqual({ paid: "PENDING", mailed: "READY", end: "PENDING" });
  await bench.perform(planId, "paid");
  expect(await bench.states(planId)).toEqual({ paid: "READY", mailed: "READY", end: "PENDING" });
  await bench.perform(planId, "paid", "mailed", "end");
  expect(await bench.value(planGet, { planId })).toMatchObject({
    state: "COMPLETED",
    stepsSucceeded: 3,
    stepsRunning: 0,
  });
});

test.each([
  [
    "RERUN",
    { read: "READY or later", states: { make: "READY", read: "PENDING", aside: "SUCCEEDED" }, fate: "NOT_COMPENSABLE" },
  ],
  ["KEEP", { read: "kept", states: { make: "READY", read: "SUCCEEDED", aside: "SUCCEEDED" }, fate: undefined }],
] as const)(
  "a done step that consumed outputs of a rerun one is stale: the charter says %s",
  async (staleRule, { states, fate }) => {
    const planId = await planned(
      [step("make"), step("read", [], { run: "${{ steps.make.outputs.made }}" }), step("aside", ["make"])],
      { staleRule },
    );
    await bench.perform(planId, "make", "read", "aside");
    const patch = { upsert: [step("make", [], { run: "other" })] };
    const dry = await replan(planId, { ...patch, dryRun: true });
    expect(dry).toMatchObject({
      version: { version: 0 },
      staleSteps: ["read"],
      plan: { state: "COMPLETED", activeVersion: 1 },
    });
    expect(await bench.states(planId)).toEqual({ make: "SUCCEEDED", read: "SUCCEEDED", aside: "SUCCEEDED" });
    const response = await replan(planId, { ...patch, expectedRevision: dry.plan.rev });
    expect(response.staleSteps).toEqual(["read"]);
    expect(fates(response)["read"]).toBe(staleRule === "KEEP" ? "REUSED" : fate);
    expect(await bench.states(planId)).toEqual(states);
  },
);

test("a dry run guards the commit after it: a plan that moved since is refused", async () => {
  const planId = await planned([step("a"), step("b")]);
  const dry = await replan(planId, { upsert: [step("c")], dryRun: true });
  await bench.perform(planId, "a");
  expect(
    await bench.refusal(
      graphReplan(bench.heavy),
      request(planId, { upsert: [step("c")], expectedRevision: dry.plan.rev }),
    ),
  ).toMatchObject({ reason: "VERSION_CONFLICT", rule: "plan.revision" });
  expect(await bench.refusal(graphReplan(bench.heavy), request(planId, { expectedActiveVersion: 4 }))).toMatchObject({
    reason: "VERSION_CONFLICT",
    metadata: { expected: "4", actual: "1" },
  });
  expect((await bench.value(graphList, { goalId: goalOfPlan(planId), page: FIRST })).items).toHaveLength(1);
});

test("a failed plan goes on from where it failed: what is done stays, what failed or was cancelled runs", async () => {
  const planId = await planned([step("a"), step("b", ["a"]), step("c", ["b"])]);
  await bench.perform(planId, "a");
  await bench.lease(planId, "b");
  await bench.finish(planId, "b", failure("broken"));
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "FAILED" });
  const response = await replan(planId, { upsert: [step("b", ["a"], { run: "mended" })] });
  expect(response.plan).toMatchObject({ state: "ACTIVE", finishedMs: null });
  expect(await bench.states(planId)).toEqual({ a: "SUCCEEDED", b: "READY", c: "PENDING" });
  await bench.perform(planId, "b", "c");
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED", stepsEnded: 3, stepsFailed: 0 });
});

test("a ready step whose need must run again waits again; a held one stays held", async () => {
  const planId = await planned([step("a"), step("b", ["a"]), step("c", ["a"])]);
  await bench.perform(planId, "a");
  await bench.value(stepHold, { planId, step: "c", reason: "" });
  expect(await bench.states(planId)).toEqual({ a: "SUCCEEDED", b: "READY", c: "WAITING" });
  const response = await replan(planId, { upsert: [step("a", [], { run: "again" })] });
  expect(response.summary).toMatchObject({ changedSteps: 1, rerun: 1 });
  expect(await bench.states(planId)).toEqual({ a: "READY", b: "PENDING", c: "PENDING" });
  await bench.perform(planId, "a");
  expect(await bench.states(planId)).toEqual({ a: "SUCCEEDED", b: "READY", c: "WAITING" });
  await bench.value(stepRelease, { planId, step: "c", reason: "" });
  await bench.perform(planId, "b", "c");
  expect((await bench.value(planGet, { planId })).state).toBe("COMPLETED");
});

test("steps can be removed, and what they kept waiting goes on", async () => {
  const planId = await planned([
    step("a"),
    step("slow"),
    step("end", ["a"], { consumes: ["list"] }),
    step("lister", ["slow"], { produces: ["list"] }),
  ]);
  await bench.perform(planId, "a");
  // The artifact now comes from another step: `end` itself did not change.
  const response = await replan(planId, {
    remove: ["lister", "slow"],
    upsert: [step("quick", [], { produces: ["list"] })],
  });
  expect(fates(response)).toEqual({ lister: "DROPPED", quick: "ADDED", slow: "DROPPED" });
  expect(await bench.states(planId)).toEqual({ a: "SUCCEEDED", end: "PENDING", quick: "READY" });
  await bench.perform(planId, "quick", "end");
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED", stepsTotal: 3 });
});

test("a patch that contradicts itself or makes a broken graph is refused by name", async () => {
  const planId = await planned([step("a"), step("b", ["a"])]);
  const refused = (over: Partial<GraphReplanRequest>) => bench.refusal(graphReplan(bench.heavy), request(planId, over));
  expect(await refused({ remove: ["x"] })).toMatchObject({
    reason: "INVALID_REQUEST",
    violations: [{ field: "remove[0]" }],
  });
  expect(await refused({ remove: ["a"], upsert: [step("a")] })).toMatchObject({
    reason: "INVALID_REQUEST",
    violations: [{ field: "remove[0]" }],
  });
  expect(await refused({ upsert: [step("c"), step("c")] })).toMatchObject({
    reason: "INVALID_REQUEST",
    violations: [{ field: "upsert[1].key" }],
  });
  expect(await refused({ remove: ["a"] })).toMatchObject({
    reason: "MISSING_PREMISES",
    metadata: { missing: "a", needed_by: "b" },
    violations: [{ field: 'steps["b"].needs[0].step' }],
  });
  expect(await refused({ upsert: [step("a", ["b"])] })).toMatchObject({ reason: "CYCLE" });
  expect(await bench.states(planId)).toEqual({ a: "READY", b: "PENDING" });
  await bench.value(planCancel, { planId, reason: "", compensate: false });
  expect(await refused({ upsert: [step("c")] })).toMatchObject({ reason: "STATE_CONFLICT" });
});

test("new limits hold from the re-plan on, within the charter's, and cover what is authorised already", async () => {
  const planId = await planned([step("a", [], { tokens: 5 }), step("b", ["a"], { tokens: 5 })], {
    budget: { ...NO_LIMITS, tokens: 50, currency: "" },
  });
  await bench.lease(planId, "a");
  const limits = (tokens: number) => ({ ...NO_CONSTRAINTS, budget: { ...NO_LIMITS, tokens, currency: "" } });
  expect(await bench.refusal(graphReplan(bench.heavy), request(planId, { constraints: limits(4) }))).toMatchObject({
    reason: "BUDGET_EXHAUSTED",
    metadata: { dimension: "tokens", needed: "5", available: "4" },
  });
  const lower = await replan(planId, { constraints: limits(20) });
  expect(lower.plan.account.allotted.tokens).toBe(20);
  const kept = await replan(planId, { upsert: [step("c")], expectedActiveVersion: 2 });
  expect(kept.plan.account.allotted.tokens).toBe(20);
  const raised = await replan(planId, { constraints: limits(900), expectedActiveVersion: 3 });
  expect(raised.plan.account.allotted.tokens).toBe(50);
});

test("a re-plan of a suspended plan keeps its new steps out of the ready set until it is resumed", async () => {
  const planId = await planned([step("a")]);
  await bench.value(planSuspend, { planId, reason: "" });
  const { plan } = await replan(planId, { upsert: [step("b")] });
  expect(plan).toMatchObject({ state: "SUSPENDED", stepsStarved: 1 });
  expect((await bench.rows(planId)).get("b")).toMatchObject({ state: "READY", orderKey: null });
});

test("a re-plan under a careful charter changes nothing until it is ratified; a later question withdraws the earlier one", async () => {
  const planId = await planned([step("a")], { ratifyCommits: true });
  const pending = async () => {
    const [approval] = (await bench.value(approvalList, { planId, pendingOnly: true, page: FIRST })).items;
    if (approval === undefined) throw new Error("no approval");
    return { approvalId: approval.approvalId, approve: true, digest: approval.digest, comment: "" };
  };
  const bob = bench.context("bob");
  await bench.value(approvalDecide(bench.heavy), await pending(), bob);
  const response = await replan(planId, { upsert: [step("b")] });
  expect(response).toMatchObject({
    version: { version: 2, state: "AWAITING_RATIFICATION" },
    plan: { state: "ACTIVE", activeVersion: 1, pendingVersion: 2 },
  });
  expect(await bench.states(planId)).toEqual({ a: "READY" });
  await bench.perform(planId, "a");
  // The question for version 2 is withdrawn by the one for version 3.
  const second = await replan(planId, { upsert: [step("c")], expectedActiveVersion: 1 });
  expect(second.version.version).toBe(3);
  expect(await bench.value(graphGet, { goalId: goalOfPlan(planId), version: 2 })).toMatchObject({ state: "REJECTED" });
  await bench.value(approvalDecide(bench.heavy), await pending(), bob);
  expect(await bench.states(planId)).toEqual({ a: "SUCCEEDED", c: "READY" });
});

test.each(["is cancelled", "fails"])("a plan that %s withdraws the question about its next version", async (how) => {
  const planId = await planned([step("a"), step("b", ["a"])], { ratifyCommits: true });
  const [first] = (await bench.value(approvalList, { planId, pendingOnly: true, page: FIRST })).items;
  if (first === undefined) throw new Error("no approval");
  const { approvalId, digest } = first;
  const yes = { approvalId, approve: true, digest, comment: "" };
  await bench.value(approvalDecide(bench.heavy), yes, bench.context("bob"));
  await replan(planId, { upsert: [step("c")] });
  if (how === "fails") {
    await bench.lease(planId, "a");
    await bench.finish(planId, "a", failure("broken"));
  } else await bench.value(planCancel, { planId, reason: "", compensate: false });
  expect(await bench.value(planGet, { planId })).toMatchObject({
    state: how === "fails" ? "FAILED" : "CANCELLED",
    pendingVersion: 0,
  });
  expect(await bench.value(graphGet, { goalId: goalOfPlan(planId), version: 2 })).toMatchObject({ state: "REJECTED" });
  expect((await bench.value(approvalList, { planId, pendingOnly: true, page: FIRST })).items).toEqual([]);
});

test("a diff names what differs and what would become of it, in pages", async () => {
  const planId = await planned([step("a"), step("b", ["a"]), step("gone")]);
  const goalId = goalOfPlan(planId);
  await bench.perform(planId, "a");
  await replan(planId, { upsert: [step("b", ["a"], { run: "x" }), step("new", ["b"])], remove: ["gone"] });
  const first = await bench.value(graphDiff(bench.heavy), {
    goalId,
    fromVersion: 1,
    toVersion: 2,
    page: { limit: 2, after: null },
  });
  expect(first).toMatchObject({
    summary: { addedSteps: 1, removedSteps: 1, changedSteps: 1, unchangedSteps: 1 },
    next: ["gone"],
    addedEdges: [{ from: "b", to: "new" }],
  });
  // Where steps stood under the first version is not known any more.
  expect(first.steps.map((s) => [s.key, s.change, s.fate])).toEqual([
    ["b", "CHANGED", "RERUN"],
    ["gone", "REMOVED", "DROPPED"],
  ]);
  const rest = await bench.value(graphDiff(bench.heavy), {
    goalId,
    fromVersion: 1,
    toVersion: 2,
    page: { limit: 2, after: first.next },
  });
  expect([rest.steps.map((s) => s.key), rest.addedEdges, rest.next]).toEqual([["new"], [], null]);
  // Back to the first version: what is done now would be reused.
  const back = await bench.value(graphDiff(bench.heavy), { goalId, fromVersion: 2, toVersion: 1, page: FIRST });
  expect(back.summary).toMatchObject({ reused: 1 });
  expect(
    await bench.refusal(graphDiff(bench.heavy), { goalId, fromVersion: 1, toVersion: 9, page: FIRST }),
  ).toMatchObject({ reason: "NOT_FOUND" });
});
