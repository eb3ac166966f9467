// What a gate is told of a plan, out of a real store: what a gate step depends on, who made the plan and who approved, refusals and
// overrun. Not here: what it makes of that, see ../domain/release-gate.test.ts.
import { afterAll, beforeAll, expect, test } from "vitest";
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import { NO_RELEASE_POLICY } from "../../src/domain/charter.ts";
import type { PlanId } from "../../src/domain/id.ts";
import { runOfPlan } from "../../src/domain/id.ts";
import type { GateFacts } from "../../src/domain/release/gate.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { approvalDecide } from "../../src/operations/approval-decide.ts";
import { approvalList } from "../../src/operations/approval-list.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { releaseGate } from "../../src/operations/release-gate.ts";
import type { GateAsked } from "../../src/operations/release-gate.ts";
import { waiverGrant } from "../../src/operations/waiver-grant.ts";
import { aRunArtifact } from "../support/runs.ts";
import { failure, FIRST, openBench, spec, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

const gate = releaseGate({ read: async () => "BUSY" });
const VERIFIED = { ...NO_RELEASE_POLICY, mode: "VERIFIED" as const };

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
  const declare = (name: string, over: Parameters<typeof terms>[0]) =>
    bench.value(charterDeclare, { name, terms: terms(over), expectedRevision: 0 });
  await declare("verified", { release: VERIFIED });
  await declare("bounded", { release: VERIFIED, budget: { ...NO_LIMITS, tokens: 100, currency: "" } });
  await declare("ratified", { release: VERIFIED, ratifyCommits: true });
});
afterAll(() => bench.end());

async function aPlan(charter: string, steps: readonly StepDefinition[]): Promise<PlanId> {
  const target = { kind: "new", charter, spec: spec() } as const;
  return (await bench.value(maestroPlan(bench.heavy), { target, steps, acceptLate: false })).plan.planId;
}

async function factsOf(planId: PlanId, asked?: GateAsked): Promise<GateFacts> {
  return bench.it.store.transaction([bench.org.orgId], async (tx) => {
    const [run] = await tx.runs.find(bench.org.orgId, [runOfPlan(planId)]);
    if (run === undefined) throw new Error("no run");
    return (await gate.load(tx, run, asked)).facts;
  });
}

async function atStep(planId: PlanId, key: string): Promise<GateFacts> {
  const ordinal = (await bench.rows(planId)).get(key)?.ordinal;
  if (ordinal === undefined) throw new Error("no step");
  return factsOf(planId, { kind: "STEP", ordinal });
}

test("a gate step is told of what it depends on, directly or not, and of nothing else", async () => {
  const planId = await aPlan("verified", [
    step("fetch"),
    step("build", ["fetch"]),
    step("gate", ["build"]),
    step("beside"),
    step("release", ["gate"]),
  ]);
  await bench.perform(planId, "fetch");
  const { scope } = await atStep(planId, "gate");
  expect(scope.kind === "STEP" ? scope.before.toSorted((a, b) => (a.key < b.key ? -1 : 1)) : []).toEqual([
    { key: "build", state: "READY" },
    { key: "fetch", state: "SUCCEEDED" },
  ]);
  expect((await factsOf(planId)).scope).toEqual({ kind: "RUN" });
});

test("a refusal and an open question count for the run, and for the gate that they stand before", async () => {
  const planId = await aPlan("verified", [
    step("a"),
    step("gate", ["a"]),
    step("b", [], { onFailure: "CARRY_ON" }),
    step("c", [], { onFailure: "ASK" }),
  ]);
  await bench.lease(planId, "b");
  await bench.finish(planId, "b", { kind: "refusal", explanation: "It would delete what is in use.", rule: "unsafe" });
  await bench.lease(planId, "c");
  await bench.finish(planId, "c", failure("broken"));
  expect((await factsOf(planId)).governance).toMatchObject({
    refusedSteps: ["b"],
    approvals: [{ subject: "FAILURE", step: "c", state: "PENDING" }],
  });
  expect((await atStep(planId, "gate")).governance).toMatchObject({ refusedSteps: [], approvals: [] });
});

test("whoever ratified a plan approved, and whoever made it did not; neither maker may waive anything", async () => {
  const planId = await aPlan("ratified", [step("a")]);
  const waiting = await factsOf(planId);
  expect(waiting.governance?.approvals).toMatchObject([{ subject: "COMMIT", state: "PENDING" }]);
  const { items } = await bench.value(approvalList, { planId, pendingOnly: true, page: FIRST });
  const [asked] = items;
  if (asked === undefined) throw new Error("nobody was asked");
  const { approvalId, digest } = asked;
  await bench.value(
    approvalDecide(bench.heavy),
    { approvalId, digest, approve: true, comment: "" },
    bench.context("bob"),
  );
  const { governance } = await factsOf(planId);
  expect(governance).toMatchObject({
    approvals: [{ subject: "COMMIT", state: "APPROVED", decidedBy: "bob" }],
    makers: ["alice"],
  });
  const nowMs = await bench.it.store.transaction([bench.org.orgId], (tx) => tx.nowMs());
  const waiver = {
    run: { id: runOfPlan(planId), text: "run" },
    rule: "sbom.present",
    artifact: null,
    reason: "Known",
    expiresMs: nowMs + 60_000,
  };
  expect(await bench.refusal(waiverGrant, waiver)).toMatchObject({ reason: "APPROVAL_REQUIRED" });
  expect(await bench.value(waiverGrant, waiver, bench.context("bob"))).toMatchObject({ grantedBy: "bob" });
});

test("what was used beyond its hold is told, and the policy is that of the charter's revision which the plan is pinned to", async () => {
  const planId = await aPlan("bounded", [step("a")]);
  await bench.perform(planId, "a");
  await bench.value(charterDeclare, { name: "bounded", terms: terms(), expectedRevision: 0 });
  const facts = await factsOf(planId);
  expect(facts.policy.mode).toBe("VERIFIED");
  expect(facts.run.status).toBe("SUCCEEDED");
  expect(facts.governance?.overrun.tokens).toBe(1);
});

test("evidence that nobody has room to read is OVERLOADED, which time lifts", async () => {
  const planId = await aPlan("ratified", [step("a")]);
  const loaded = await bench.it.store.transaction([bench.org.orgId], async (tx) => {
    const [run] = await tx.runs.find(bench.org.orgId, [runOfPlan(planId)]);
    if (run === undefined) throw new Error("no run");
    return gate.load(tx, run, undefined, [aRunArtifact(run.orgId, run.runId)]);
  });
  await expect(gate.judge(loaded, new AbortController().signal)).rejects.toMatchObject({
    refusal: { reason: "OVERLOADED", retryable: true },
  });
});
