// Gate steps over the wire: judged by the server itself, passed by nobody's word, and judged again once somebody says so. Not here:
// what the rules ask (test/domain), and how servers share gates (test/dispatch).
import { createClient } from "@connectrpc/connect";
import type { Client, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { ApprovalService } from "../../gen/maestro/v1/approval_service_pb.ts";
import { GateMode } from "../../gen/maestro/v1/charter_pb.ts";
import { DispatchService } from "../../gen/maestro/v1/dispatch_service_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanState } from "../../gen/maestro/v1/plan_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { OnFailure, StepState } from "../../gen/maestro/v1/step_pb.ts";
import type { Step } from "../../gen/maestro/v1/step_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { Executor } from "../../src/executor/executor.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { all } from "../transport/peers.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

let database: TestDatabase;
let server: TestServer;
let transport: Transport;
let worker: Executor;

beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
  transport = createGrpcTransport({ baseUrl: server.wideUrl });
  await maestro().declareCharter({ name: "flags", terms: {} });
  await maestro().declareCharter({ name: "strict", terms: { release: { mode: GateMode.VERIFIED } } });
  worker = new Executor({ url: `http://${server.grpcUrl}`, name: "worker", slots: 4, drainOn: [] }).on(
    "work",
    () => ({}),
  );
  await worker.start();
});
afterAll(async () => {
  worker.close();
  await server.end();
  await database.drop();
});

const maestro = (): Client<typeof MaestroService> => createClient(MaestroService, transport);
const conductor = (): Client<typeof ConductorService> => createClient(ConductorService, transport);
const plans = (): Client<typeof PlanService> => createClient(PlanService, transport);
const steps = (): Client<typeof StepService> => createClient(StepService, transport);
const gate = { case: "gate" as const, value: { gate: { case: "release" as const, value: {} } } };
const work = { case: "work" as const, value: { capability: "work" } };

/** pack → gate → release. */
async function release(name: string, charter = "flags", more: object = {}): Promise<string> {
  const { plan } = await maestro().plan({
    target: { case: "newGoal", value: { charter, spec: { name } } },
    steps: [
      { key: "pack", kind: work },
      { key: "gate", kind: gate, needs: [{ step: "pack" }], ...more },
      { key: "release", kind: work, needs: [{ step: "gate" }] },
    ],
  });
  return plan?.planId ?? "";
}

async function stepOf(planId: string, step: string): Promise<Step> {
  const { step: found } = await steps().getStep({ planId, step });
  if (found === undefined) throw new Error("no step");
  return found;
}

async function untilStep(planId: string, step: string, state: StepState): Promise<Step> {
  for (;;) {
    const found = await stepOf(planId, step);
    if (found.state === state) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function evidence(runId: string): Promise<void> {
  const metadataJson = { sbomPresent: true, slsaProvenancePresent: true, riskAssessmentPresent: true };
  await conductor().createArtifact({ runId, kind: ArtifactKind.OTHER, pathOrUri: "s3://b/bundle.tgz", metadataJson });
}

/** Says yes to what the plan asks for next. */
async function approve(planId: string, by = transport): Promise<void> {
  const client = createClient(ApprovalService, by);
  for (;;) {
    const { approvals } = await client.listApprovals({ planId, pendingOnly: true });
    const [asked] = approvals;
    if (asked !== undefined) {
      await client.decideApproval({ approvalId: asked.approvalId, digest: asked.digest, approve: true });
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a gate that does not pass is asked about; a yes judges again, and only evidence lets the release go on", async () => {
  const planId = await release("asked");
  const stopped = await untilStep(planId, "gate", StepState.AWAITING_APPROVAL);
  expect(stopped.executorId).toBe("");
  expect(stopped.failure?.message).toContain("failed: artifacts.present");
  expect(JSON.parse(stopped.failure?.detailsJson ?? "{}")).toMatchObject({ passed: false, mode: "flags" });
  const { waiting } = await plans().explainPlan({ planId });
  expect(waiting.find(({ step }) => step === "gate")?.explanation).toContain("artifacts.present");

  for (const [i, asked] of ["without evidence", "with evidence"].entries()) {
    if (asked === "with evidence") await evidence(planId);
    await approve(planId);
    const state = i === 0 ? StepState.AWAITING_APPROVAL : StepState.SUCCEEDED;
    const { attempt } = await untilAttempt(planId, i + 2, state);
    expect(attempt).toBe(i + 2);
  }
  const passed = await stepOf(planId, "gate");
  expect(JSON.parse(passed.outputs?.value.case === "json" ? passed.outputs.value.value : "{}")).toMatchObject({
    passed: true,
    details: { total_artifacts: 1 },
  });
  await all(plans().watchPlan({ planId }));
  expect((await plans().getPlan({ planId })).plan?.state).toBe(PlanState.COMPLETED);
  expect(passed.usage).toMatchObject({ moneyMicros: 0n, tokens: 0n });
});

async function untilAttempt(planId: string, attempt: number, state: StepState): Promise<Step> {
  for (;;) {
    const found = await untilStep(planId, "gate", state);
    if (found.attempt >= attempt) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a gate that passes lets the release run at once, and a preview says the same", async () => {
  const held = await release("fine", "flags", { requiresApproval: true });
  await evidence(held);
  await approve(held);
  await all(plans().watchPlan({ planId: held }));
  expect((await plans().getPlan({ planId: held })).plan?.state).toBe(PlanState.COMPLETED);
  const preview = await conductor().checkReleaseGate({ id: held });
  expect(preview.gate).toMatchObject({ passed: true });
});

test("a preview of a gate step says what it would say now, its own open question left out; nothing else is a gate of the run", async () => {
  const planId = await release("previewed");
  await untilStep(planId, "gate", StepState.AWAITING_APPROVAL);
  await evidence(planId);
  expect((await conductor().checkReleaseGate({ id: planId })).gate?.details?.failedRules).toEqual(["run.succeeded"]);
  const preview = (await conductor().checkReleaseGate({ id: planId, step: "gate" })).gate;
  expect(preview).toMatchObject({ passed: true, mode: GateMode.FLAGS });
  const rest = await fetch(`${server.wideUrl}/maestro/runs/${planId}/release-gate?step=gate`);
  expect([rest.status, await rest.json()]).toMatchObject([200, { passed: true }]);
  const strictly = { id: planId, mode: GateMode.VERIFIED };
  const failed = async (step: string) =>
    (await conductor().checkReleaseGate({ ...strictly, step })).gate?.details?.failedRules;
  expect(await failed("")).toEqual(expect.arrayContaining(["run.succeeded", "governance.refusals"]));
  expect(await failed("gate")).not.toEqual(expect.arrayContaining(["run.succeeded"]));
  expect(await failed("gate")).not.toEqual(expect.arrayContaining(["governance.refusals"]));

  const { run: told } = await conductor().createRun({ name: "elsewhere", owner: "team-a" });
  for (const [id, step] of [
    [planId, "pack"],
    [planId, "nobody"],
    [planId, "x".repeat(200)],
    [told?.id ?? "", "gate"],
  ] as const) {
    const { refusal } = await refused(conductor().checkReleaseGate({ id, step }));
    expect([refusal.reason, refusal.metadata]).toMatchObject([RefusalReason.NOT_FOUND, { kind: "gate step" }]);
  }
  const unknown = await fetch(`${server.wideUrl}/maestro/runs/${planId}/release-gate?step=${"%00".repeat(300)}`);
  expect(unknown.status).toBe(404);
  await approve(planId);
  await untilStep(planId, "gate", StepState.SUCCEEDED);
});

test("where the plan is to fail, a gate that does not pass fails it; where evidence is read, flags prove nothing", async () => {
  const planId = await release("strict", "strict", { onFailure: OnFailure.FAIL_PLAN });
  await evidence(planId);
  await all(plans().watchPlan({ planId }));
  const { plan } = await plans().getPlan({ planId });
  expect(plan?.state).toBe(PlanState.FAILED);
  const { failure } = await stepOf(planId, "gate");
  expect(JSON.parse(failure?.detailsJson ?? "{}")).toMatchObject({ mode: "verified", passed: false });
  expect((await stepOf(planId, "release")).state).toBe(StepState.CANCELLED);
});

test("retries judge again before anybody is asked", async () => {
  const retry = { maxAttempts: 3, initialBackoff: { nanos: 1_000_000 }, maxBackoff: { nanos: 1_000_000 } };
  const planId = await release("again", "flags", { retry });
  await untilStep(planId, "gate", StepState.AWAITING_APPROVAL);
  const { attempts } = await steps().listAttempts({ planId, step: "gate" });
  expect(attempts.map(({ executorId }) => executorId)).toEqual(["", "", ""]);
});

test("nobody skips a gate, resolves it, or performs one", async () => {
  const planId = await release("nobody");
  await untilStep(planId, "gate", StepState.AWAITING_APPROVAL);
  const words = { planId, step: "gate", reason: "I say so" };
  const byHand = [
    () => steps().skipStep(words),
    () => steps().resolveStep({ ...words, result: { case: "success", value: {} } }),
  ];
  for (const call of byHand) {
    const { refusal } = await refused(call());
    expect(refusal.reason).toBe(RefusalReason.STATE_CONFLICT);
    expect(refusal.explanation).toContain("nobody's word");
  }
  const spec = { name: "mallory", capabilities: ["work", "maestro.gate.release"], slots: 1 };
  const dispatch = createClient(DispatchService, transport);
  const hello = { message: { case: "hello" as const, value: { spec, incarnation: "1" } }, number: 1n };
  const attach = dispatch.attach(
    (async function* () {
      yield hello;
    })(),
  );
  const step = { key: "a", kind: { case: "work" as const, value: { capability: "maestro.gate.release" } } };
  const target = { case: "newGoal" as const, value: { charter: "flags", spec: { name: "forged" } } };
  const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
    ["spec.capabilities[1]", () => createClient(ExecutorService, transport).registerExecutor({ spec })],
    ["spec.capabilities[1]", () => all(dispatch.subscribe({ spec, incarnation: "1" }))],
    ["hello.spec.capabilities[1]", () => all(attach)],
    ["steps[0].work.capability", () => maestro().plan({ target, steps: [step] })],
  ];
  for (const [field, call] of calls) {
    const { refusal } = await refused(call());
    expect(refusal.reason).toBe(RefusalReason.INVALID_REQUEST);
    expect(refusal.violations.map((violation) => violation.field)).toEqual([field]);
  }
});

test("a gate is judged by whichever server hears of it first", async () => {
  const planId = await release("left");
  await untilStep(planId, "gate", StepState.AWAITING_APPROVAL);
  await evidence(planId);
  const next = await startServer({ databaseUrl: database.url });
  try {
    const other = createGrpcTransport({ baseUrl: next.wideUrl });
    await approve(planId, other);
    await untilStep(planId, "gate", StepState.SUCCEEDED);
  } finally {
    await next.end();
  }
});
