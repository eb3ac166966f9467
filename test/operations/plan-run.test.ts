// Runs of plans: made by the first commit, and telling what their plans tell. Not here: runs of work done elsewhere.
import { afterAll, beforeAll, expect, test } from "vitest";
import { NO_LIMITS, NOTHING } from "../../src/domain/amounts.ts";
import { goalOfPlan, runOfPlan } from "../../src/domain/id.ts";
import type { ApprovalId, PlanId, WorkflowId } from "../../src/domain/id.ts";
import type { Run } from "../../src/domain/run.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { approvalDecide } from "../../src/operations/approval-decide.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { commit, prepareCommit } from "../../src/operations/commit-version.ts";
import { goalRefine } from "../../src/operations/goal-refine.ts";
import { graphCommit } from "../../src/operations/graph-commit.ts";
import { graphReplan } from "../../src/operations/graph-replan.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { planCancel } from "../../src/operations/plan-cancel.ts";
import { planSuspend } from "../../src/operations/plan-suspend.ts";
import { refineGoal } from "../../src/operations/refine-goal.ts";
import { audit } from "../support/audit.ts";
import { newId } from "../support/store.ts";
import { openBench, spec, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
  const euros = { ...NO_LIMITS, moneyMicros: 9_000_000, currency: "EUR" };
  await bench.value(charterDeclare, { name: "release", terms: terms({ budget: euros }), expectedRevision: 0 });
  await bench.value(charterDeclare, { name: "free", terms: terms(), expectedRevision: 0 });
  await bench.value(charterDeclare, { name: "careful", terms: terms({ ratifyCommits: true }), expectedRevision: 0 });
});
afterAll(() => bench.end());

const target = (charter: string) => ({ kind: "new" as const, charter, spec: spec({ name: "ship it" }) });
const planned = async (charter: string, steps: readonly StepDefinition[]) =>
  bench.value(maestroPlan(bench.heavy), { target: target(charter), steps, acceptLate: false });
const runOf = async (planId: PlanId): Promise<Run | undefined> => {
  const { orgId } = bench.org;
  return (await bench.it.store.transaction([orgId], (tx) => tx.runs.find(orgId, [runOfPlan(planId)])))[0];
};

test("a plan that is refined and committed in one has its run at once, which follows it to its end", async () => {
  const { plan } = await planned("release", [step("a", [], { hold: { ...NOTHING, moneyMicros: 1_500_000 } })]);
  expect(await runOf(plan.planId)).toEqual({
    orgId: bench.org.orgId,
    runId: plan.planId,
    planId: plan.planId,
    name: "ship it",
    owner: "alice",
    pastOwners: [],
    status: "RUNNING",
    startedMs: plan.committedMs,
    finishedMs: null,
    costEstimate: null,
    costActual: 0,
    relatedEntityIds: [],
    relatedDecisionIds: [],
    metadata: "{}",
    workflowId: null,
    tasks: [],
    charter: "release",
    createdMs: plan.createdMs,
    createdBy: "alice",
  });
  await bench.perform(plan.planId, "a");
  const ended = await bench.it.store.transaction([bench.org.orgId], (tx) =>
    tx.plans.find(bench.org.orgId, plan.planId),
  );
  expect(await runOf(plan.planId)).toMatchObject({ status: "SUCCEEDED", finishedMs: ended?.finishedMs });
});

test("a version that is committed by itself, a large graph among them, brings the run; before there is none", async () => {
  for (const size of [1, 400]) {
    const steps = Array.from({ length: size }, (_, i) => step(`s${String(i)}`));
    const { goal } = await bench.value(goalRefine(bench.heavy), {
      target: target("free"),
      steps,
      version: 0,
      open: false,
    });
    expect(await runOf(goal.planId)).toBeUndefined();
    // Later than the goal was made, and yet a run of then: lists look for runs along the index of plans.
    await expect
      .poll(() => bench.it.store.transaction([bench.org.orgId], (tx) => tx.nowMs()))
      .toBeGreaterThan(goal.createdMs);
    await bench.value(graphCommit(bench.heavy), {
      goalId: goalOfPlan(goal.planId),
      version: 1,
      expectedActiveVersion: 0,
      acceptLate: false,
    });
    const run = await runOf(goal.planId);
    expect(run).toMatchObject({ status: "RUNNING", costActual: null, charter: "free", createdMs: goal.createdMs });
    expect(run?.startedMs).toBeGreaterThan(goal.createdMs);
    for (const owner of [null, "alice"]) {
      const page = { limit: 1, after: null };
      const found = await bench.it.store.transaction([bench.org.orgId], (tx) =>
        tx.runs.list(bench.org.orgId, { owner, status: "RUNNING" }, page),
      );
      expect(found).toEqual([run]);
    }
  }
  expect(await audit(bench.it.database.url)).toEqual([]);
});

test("a commit that waits for ratification is a pending run; sent back it is none, and committed again the same", async () => {
  const { plan, approvalId } = await planned("careful", [step("a")]);
  const { planId } = plan;
  const pending = await runOf(planId);
  expect(pending).toMatchObject({ status: "PENDING", startedMs: plan.createdMs, finishedMs: null });
  const decide = async (id: ApprovalId | null, approve: boolean): Promise<void> => {
    const { orgId } = bench.org;
    const approval = await bench.it.store.transaction([orgId], (tx) =>
      tx.approvals.find(orgId, id ?? ("" as ApprovalId)),
    );
    if (approval === undefined) throw new Error("no approval");
    const { approvalId, digest } = approval;
    await bench.value(approvalDecide(bench.heavy), { approvalId, digest, approve, comment: "" }, bench.context("bob"));
  };
  await decide(approvalId, false);
  expect(await runOf(planId)).toBeUndefined();
  const goalId = goalOfPlan(planId);
  const existing = { kind: "existing" as const, goalId };
  const again = await bench.value(maestroPlan(bench.heavy), {
    target: existing,
    steps: [step("b")],
    acceptLate: false,
  });
  expect(await runOf(planId)).toEqual(pending);
  await decide(again.approvalId, true);
  expect(await runOf(planId)).toMatchObject({ status: "RUNNING" });
});

test("neither a suspension nor a re-plan touches the run's row; a cancelled plan is a cancelled run", async () => {
  const { plan } = await planned("free", [step("a")]);
  const { planId } = plan;
  const before = await runOf(planId);
  const { orgId } = bench.org;
  await bench.it.store.transaction([orgId], async (tx) => {
    const run = await tx.runs.lock(orgId, runOfPlan(planId));
    if (run !== undefined) await tx.runs.save({ ...run, name: "renamed", owner: "team-b" });
  });
  await bench.value(planSuspend, { planId, reason: "" });
  expect(await runOf(planId)).toEqual({ ...before, name: "renamed", owner: "team-b" });
  await bench.value(graphReplan(bench.heavy), {
    planId,
    upsert: [step("b")],
    remove: [],
    dryRun: false,
    expectedActiveVersion: 1,
    expectedRevision: 0,
    reason: "",
    constraints: null,
  });
  expect(await runOf(planId)).toEqual({ ...before, name: "renamed", owner: "team-b" });
  await bench.value(planCancel, { planId, reason: "", compensate: false });
  expect(await runOf(planId)).toMatchObject({ status: "CANCELLED", name: "renamed" });
});

test("whoever commits may say what the run is called, whose it is, and which tasks it has", async () => {
  const workflowId = newId() as WorkflowId;
  const terms = {
    name: "nightly",
    owner: "team-a",
    costEstimate: 2.5,
    metadata: '{"a":1}',
    relatedEntityIds: ["e"],
    relatedDecisionIds: ["d"],
    workflowId,
    tasks: [{ name: "Build", agentType: "builder", step: "a" }],
  };
  const context = bench.context();
  const planId = await bench.it.store.transaction([bench.org.orgId], async (tx) => {
    const request = { target: target("free"), steps: [step("a")], version: 0, open: false };
    const refined = await refineGoal(bench.heavy, tx, request, context);
    if (!refined.ok) throw new Error("refused");
    const wish = { operation: "graph.commit", reason: "", acceptLate: false };
    const prepared = await prepareCommit(bench.heavy, tx, context, refined.value, wish);
    if (!prepared.ok) throw new Error("refused");
    return (await commit(tx, context, prepared.value, refined.value.changes.records, terms)).plan.planId;
  });
  expect(await runOf(planId)).toMatchObject({ ...terms, createdBy: "alice" });
});
