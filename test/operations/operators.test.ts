// Verbs of operators, explanations and credit of running plans against a real store.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ExecutorId, PlanId } from "../../src/domain/id.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import { NO_RETRY } from "../../src/domain/step.ts";
import { approvalDecide } from "../../src/operations/approval-decide.ts";
import { approvalGet } from "../../src/operations/approval-get.ts";
import { approvalList } from "../../src/operations/approval-list.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { charterList } from "../../src/operations/charter-list.ts";
import { creditTrace } from "../../src/operations/credit-trace.ts";
import { executorDrain } from "../../src/operations/executor-drain.ts";
import { executorGet } from "../../src/operations/executor-get.ts";
import { executorList } from "../../src/operations/executor-list.ts";
import { executorRegister } from "../../src/operations/executor-register.ts";
import { executorTrust } from "../../src/operations/executor-trust.ts";
import { maestroPlan } from "../../src/operations/maestro-plan.ts";
import { planCancel } from "../../src/operations/plan-cancel.ts";
import { planExplain } from "../../src/operations/plan-explain.ts";
import type { PlanExplainResponse } from "../../src/operations/plan-explain.ts";
import { planGet } from "../../src/operations/plan-get.ts";
import { planList } from "../../src/operations/plan-list.ts";
import { planResume } from "../../src/operations/plan-resume.ts";
import { planSuspend } from "../../src/operations/plan-suspend.ts";
import { stepGet } from "../../src/operations/step-get.ts";
import { stepHold } from "../../src/operations/step-hold.ts";
import { stepList } from "../../src/operations/step-list.ts";
import { stepListAttempts } from "../../src/operations/step-list-attempts.ts";
import { stepRelease } from "../../src/operations/step-release.ts";
import { stepRetry } from "../../src/operations/step-retry.ts";
import { stepSkip } from "../../src/operations/step-skip.ts";
import { failure, FIRST, openBench, spec, step, terms } from "./bench.ts";
import type { Bench } from "./bench.ts";

/** Tokens of each plan; every attempt uses one. */
const LIMIT = 10;

let bench: Bench;
const changed: string[] = [];
const ears = {
  executorChanged: (_org: string, executorId: ExecutorId) => void changed.push(executorId),
  connectedExecutors: () => [],
};
beforeAll(async () => {
  bench = await openBench();
  await bench.value(charterDeclare, {
    name: "release",
    terms: terms({ budget: { ...NO_LIMITS, tokens: LIMIT, currency: "" }, minTrust: 0.2 }),
    expectedRevision: 0,
  });
});
afterAll(() => bench.end());

async function planned(...steps: readonly StepDefinition[]): Promise<PlanId> {
  return (
    await bench.value(maestroPlan(bench.heavy), {
      target: { kind: "new", charter: "release", spec: spec() },
      steps,
      acceptLate: false,
    })
  ).plan.planId;
}
async function explain(planId: PlanId): Promise<PlanExplainResponse> {
  return bench.value(planExplain(ears), { planId, step: "", page: FIRST });
}
const at = (planId: PlanId, name: string) => ({ planId, step: name, reason: "because" });

test("a plan is suspended, resumed and cancelled, each from the right state only", async () => {
  const planId = await planned(step("a"), step("b", ["a"]));
  expect(await bench.refusal(planResume, { planId, reason: "" })).toMatchObject({
    reason: "STATE_CONFLICT",
    metadata: { kind: "plan", state: "ACTIVE" },
  });
  expect(await bench.value(planSuspend, { planId, reason: "lunch" })).toMatchObject({ state: "SUSPENDED" });
  expect((await explain(planId)).summary).toContain("suspended");
  expect(await bench.value(planResume, { planId, reason: "" })).toMatchObject({ state: "ACTIVE" });
  expect(await bench.value(planCancel, { planId, reason: "enough", compensate: false })).toMatchObject({
    state: "CANCELLED",
    reason: "enough",
  });
  expect(await bench.states(planId)).toEqual({ a: "CANCELLED", b: "CANCELLED" });
  expect(await bench.refusal(planCancel, { planId, reason: "", compensate: false })).toMatchObject({
    reason: "STATE_CONFLICT",
  });
  expect(await bench.refusal(planSuspend, { planId: bench.org.orgId as string as PlanId, reason: "" })).toMatchObject({
    reason: "NOT_FOUND",
    metadata: { kind: "plan" },
  });
  expect(
    (await bench.value(planList, { planId: null, states: ["CANCELLED"], page: FIRST })).items.map((p) => p.planId),
  ).toEqual([planId]);
});

test("a cancelled plan undoes what is done when asked to", async () => {
  const planId = await planned(
    step("a", [], { compensation: { capability: "undo", input: null, timeoutMs: 1_000, retry: NO_RETRY } }),
    step("b", ["a"]),
  );
  await bench.perform(planId, "a");
  expect(await bench.value(planCancel, { planId, reason: "", compensate: true })).toMatchObject({
    state: "COMPENSATING",
  });
  await bench.perform(planId, "a");
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "CANCELLED" });
  expect(await bench.states(planId)).toEqual({ a: "COMPENSATED", b: "CANCELLED" });
});

test("steps are held, released, skipped and tried again by hand", async () => {
  const planId = await planned(step("a"), step("b", ["a"]));
  expect(await bench.value(stepHold, at(planId, "a"))).toMatchObject({ row: { state: "WAITING", heldBack: true } });
  expect(await bench.value(stepRelease, at(planId, "a"))).toMatchObject({ row: { state: "READY", heldBack: false } });
  expect(await bench.refusal(stepRelease, at(planId, "a"))).toMatchObject({
    reason: "STATE_CONFLICT",
    metadata: { kind: "step", id: "a" },
  });
  expect(await bench.refusal(stepRetry, { ...at(planId, "a"), ordinal: 0 })).toMatchObject({
    reason: "STATE_CONFLICT",
  });
  await bench.lease(planId, "a");
  expect(await bench.refusal(stepSkip, at(planId, "a"))).toMatchObject({ reason: "STATE_CONFLICT" });
  await bench.finish(planId, "a", failure("no luck"));
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "FAILED" });
  expect(await bench.value(stepRetry, { ...at(planId, "a"), ordinal: 0 })).toMatchObject({ row: { state: "READY" } });
  await bench.perform(planId, "a", "b");
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED" });
  expect(await bench.refusal(stepHold, at(planId, "nobody"))).toMatchObject({
    reason: "NOT_FOUND",
    metadata: { kind: "step", id: "nobody" },
  });
  expect(await bench.value(stepGet, { planId, step: "a" })).toMatchObject({
    last: { state: "SUCCEEDED" },
    usage: { tokens: 2 },
    definition: { key: "a" },
  });
  expect(await bench.value(stepList, { planId, states: ["SUCCEEDED"], page: { limit: 1, after: null } })).toMatchObject(
    { items: [{ row: { key: "a" } }], next: ["a"] },
  );
  expect((await bench.value(stepListAttempts, { planId, step: "a", page: FIRST })).items.map((a) => a.state)).toEqual([
    "FAILED",
    "SUCCEEDED",
  ]);
});

test("skipping a step skips what needs its success, and lets the rest go on", async () => {
  const planId = await planned(
    step("a"),
    step("b", ["a"]),
    step("always", [], { needs: [{ step: "a", regardless: true }] }),
  );
  expect(await bench.value(stepSkip, at(planId, "a"))).toMatchObject({ row: { state: "SKIPPED" } });
  expect(await bench.states(planId)).toEqual({ a: "SKIPPED", b: "SKIPPED", always: "READY" });
});

test("a step that needs approval runs after a yes, and is skipped with what needs it after a no", async () => {
  const planId = await planned(
    step("yes", [], { requiresApproval: true }),
    step("no", [], { requiresApproval: true }),
    step("after", ["no"]),
  );
  const waiting = (await explain(planId)).waiting;
  expect(waiting.map((w) => [w.step, w.cause])).toEqual([
    ["after", "DEPENDENCY"],
    ["no", "APPROVAL"],
    ["yes", "APPROVAL"],
  ]);
  const { items } = await bench.value(approvalList, { planId, pendingOnly: true, page: FIRST });
  for (const { step: name, approvalId, digest } of items) {
    expect(waiting.find((w) => w.step === name)?.approvalId).toBe(approvalId);
    await bench.value(approvalDecide(bench.heavy), { approvalId, approve: name === "yes", digest, comment: "" });
    expect(await bench.value(approvalGet, { approvalId })).toMatchObject({
      state: name === "yes" ? "APPROVED" : "REJECTED",
    });
  }
  expect(await bench.states(planId)).toEqual({ yes: "READY", no: "SKIPPED", after: "SKIPPED" });
});

test("executors are registered, trusted and drained, and dispatch hears of it", async () => {
  const executor = await bench.value(executorRegister(ears), {
    spec: { name: "one", capabilities: ["shell"], labels: { os: "linux" }, slots: 2, buildId: "1" },
  });
  const { executorId } = executor;
  expect(executor).toMatchObject({ state: "ACTIVE", trust: 0.5 });
  expect(await bench.value(executorTrust(ears), { executorId, trust: 0.1 })).toMatchObject({ trust: 0.1 });
  expect(await bench.value(executorDrain(ears), { executorId })).toMatchObject({ state: "DRAINING" });
  const sessionId = bench.context().sessionId;
  await bench.it.store.transaction([bench.org.orgId], (tx) =>
    tx.executors.setSession(bench.org.orgId, executorId, sessionId, null, 1),
  );
  const again = await bench.value(executorRegister(ears), { spec: { ...executor.spec, slots: 3 } });
  expect(again).toMatchObject({ executorId, sessionId, state: "ACTIVE", trust: 0.1, spec: { slots: 3 } });
  // It is attached, and heard of whenever somebody looks.
  expect((await bench.value(executorList, { page: FIRST })).items).toEqual([
    { ...(await bench.value(executorGet, { executorId })), lastSeenMs: expect.any(Number) as unknown },
  ]);
  expect(
    await bench.refusal(executorDrain(ears), { executorId: bench.org.orgId as string as ExecutorId }),
  ).toMatchObject({ reason: "NOT_FOUND" });
});

test("whatever waits can say for what", async () => {
  const planId = await planned(
    step("run"),
    step("wait", ["run"]),
    step("held"),
    step("far", [], { capability: "teleport" }),
    step("picky", [], { executorLabels: { os: "plan9" } }),
    step("dear", [], { tokens: 8 }),
    step("dearer", [], { tokens: 8 }),
    step("old"),
  );
  await bench.value(stepHold, at(planId, "held"));
  await bench.lease(planId, "run");
  await bench.lease(planId, "dear");
  await bench.lease(planId, "dearer").catch(() => undefined);
  const causes = async () => Object.fromEntries((await explain(planId)).waiting.map((w) => [w.step, w.cause]));
  const first = await causes();
  expect(first).toMatchObject({
    run: "OUTCOME",
    wait: "DEPENDENCY",
    held: "HELD",
    far: "NO_EXECUTOR",
    dear: "OUTCOME",
  });
  const { executorId } = (await bench.value(executorList, { page: FIRST })).items[0] ?? {
    executorId: "" as ExecutorId,
  };
  // Trusted to 0.1 under a floor of 0.2.
  expect((await explain(planId)).waiting.find((w) => w.step === "old")?.explanation).toBe(
    "No executor with the capability shell is trusted to 0.2.",
  );
  await bench.value(executorTrust(ears), { executorId, trust: 0.9 });
  expect(await causes()).toMatchObject({ picky: "NO_EXECUTOR", old: "SLOT" });
  const slots = async (freeSlots: number | null): Promise<string | undefined> => {
    const executor = await bench.value(executorGet, { executorId });
    const dispatcher = { connectedExecutors: () => (freeSlots === null ? [] : [{ executor, freeSlots }]) };
    const { waiting } = await bench.value(planExplain(dispatcher), { planId, step: "old", page: FIRST });
    return waiting[0]?.explanation;
  };
  expect(await slots(0)).toBe("All slots of one are taken.");
  expect(await slots(1)).toBe("one has free slots; others go first.");
  expect(await slots(null)).toBe("one is attached to another server.");
  await bench.it.store.transaction([bench.org.orgId], async (tx) => {
    await tx.executors.setSession(bench.org.orgId, executorId, null, null, await tx.nowMs());
  });
  expect(await slots(null)).toBe("one takes steps by DispatchNext, and must ask for it.");
  await bench.value(executorDrain(ears), { executorId });
  expect(await causes()).toMatchObject({ old: "EXECUTOR_AWAY" });
  const one = await bench.value(planExplain(ears), { planId, step: "wait", page: FIRST });
  expect(one.waiting).toMatchObject([{ step: "wait", steps: ["run"], explanation: "It waits for run." }]);
  expect(one.summary).toBe("");
  expect(await bench.refusal(planExplain(ears), { planId, step: "ghost", page: FIRST })).toMatchObject({
    reason: "NOT_FOUND",
  });
});

test("a step that the budget keeps back says so", async () => {
  const planId = await planned(step("a", [], { tokens: 8 }), step("b", [], { tokens: 8 }));
  await bench.lease(planId, "a");
  await expect(bench.lease(planId, "b")).rejects.toThrow("cannot be leased");
  await bench.starve(planId, "b");
  expect((await explain(planId)).waiting.map((w) => [w.step, w.cause])).toEqual([
    ["a", "OUTCOME"],
    ["b", "BUDGET"],
  ]);
});

test("a step that holds nothing says that the budget is used up", async () => {
  const keys = Array.from({ length: LIMIT + 2 }, (_, i) => `s${String(i)}`);
  const planId = await planned(...keys.map((key) => step(key)));
  await bench.perform(planId, ...keys.slice(0, -1));
  await bench.starve(planId, keys.at(-1) ?? "");
  expect((await explain(planId)).waiting).toMatchObject([
    { step: keys.at(-1), cause: "BUDGET", explanation: "The plan has used up its budget." },
  ]);
});

test("credit is traced for a leg that has ended", async () => {
  const planId = await planned(
    step("a", [], { ms: 5 }),
    step("b", ["a"], { onFailure: "SKIP_DEPENDENTS" }),
    step("c", ["b"]),
    step("bad", [], { run: "${{ steps.a.outputs.nothing.here }}", onFailure: "SKIP_DEPENDENTS" }),
  );
  expect(await bench.refusal(creditTrace(bench.heavy), { planId, step: "" })).toMatchObject({
    reason: "STATE_CONFLICT",
    metadata: { kind: "plan", state: "ACTIVE" },
  });
  await bench.perform(planId, "a");
  expect((await bench.value(creditTrace(bench.heavy), { planId, step: "a" })).trace).toMatchObject({
    criticalPath: ["a"],
    plannedMs: 5,
    usage: { tokens: 1 },
  });
  await bench.lease(planId, "b");
  await bench.finish(planId, "b", failure("broken"));
  expect(await bench.value(planGet, { planId })).toMatchObject({ state: "COMPLETED" });
  const found = await bench.it.store.transaction([bench.org.orgId], (tx) =>
    creditTrace(bench.heavy)(tx, { planId, step: "" }, bench.context()),
  );
  expect(found.ok && "later" in found.value, "it is worked out when its transaction is over").toBe(true);
  const { trace } = await bench.value(creditTrace(bench.heavy), { planId, step: "" });
  expect(trace.criticalPath).toEqual(["a", "b"]);
  expect(trace.rootCauses).toMatchObject([
    { step: "bad", executorId: null, failure: { errorClass: "EXPRESSION" }, affected: [] },
    { step: "b", failure: { message: "broken" }, affected: ["c"] },
  ]);
  expect(await bench.refusal(creditTrace(bench.heavy), { planId, step: "ghost" })).toMatchObject({
    reason: "NOT_FOUND",
  });
});

test("charters are listed by name, in pages", async () => {
  await bench.value(charterDeclare, { name: "another", terms: terms(), expectedRevision: 0 });
  const page = await bench.value(charterList, { page: { limit: 1, after: null } });
  expect([page.items.map((c) => c.name), page.next]).toEqual([["another"], ["another"]]);
  expect((await bench.value(charterList, { page: { limit: 9, after: page.next } })).items.map((c) => c.name)).toEqual([
    "release",
  ]);
});

test("an operation says whether it left something for later: a long line of dependents, or nothing", async () => {
  const line = Array.from({ length: 60 }, (_, i) => step(`s${String(i)}`, i === 0 ? [] : [`s${String(i - 1)}`]));
  const planId = await planned(...line);
  const held = await bench.run(planSuspend, { planId, reason: "" });
  expect("done" in held && held.done.goesOn).toBe(false);
  const skipped = await bench.run(stepSkip, at(planId, "s0"));
  expect("done" in skipped && skipped.done.goesOn).toBe(true);
});
