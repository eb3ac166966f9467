// Workflows over the wire, and runs that are made from them: plans like any other, with tasks that follow their steps. Not here: REST.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import type { Client, Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { CreateWorkflowRequestSchema } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { RunStatus } from "../../gen/maestro/conductor/v1/run_pb.ts";
import { CharterService } from "../../gen/maestro/v1/charter_service_pb.ts";
import { IdentityService } from "../../gen/maestro/v1/identity_service_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { Executor, PermanentError } from "../../src/executor/executor.ts";
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
  worker = new Executor({ url: `http://${server.grpcUrl}`, name: "worker", slots: 4, drainOn: [] })
    .on("builder", () => ({ built: true }))
    .on("echo", ({ input }) => ({ heard: input }))
    .on("breaker", () => {
      throw new PermanentError("it broke");
    });
  await worker.start();
});
afterAll(async () => {
  worker.close();
  await server.end();
  await database.drop();
});

const conductor = (by = transport): Client<typeof ConductorService> => createClient(ConductorService, by);
const charters = () => createClient(CharterService, transport);

async function workflow(
  tasks: readonly (readonly [string, string])[],
  dependencies: readonly (readonly [string, string])[] = [],
): Promise<string> {
  const made = await conductor().createWorkflow({
    name: "nightly",
    tasks: tasks.map(([name, agentType]) => ({ name, agentType })),
    dependencies: dependencies.map(([task, dependsOn]) => ({ task, dependsOn })),
  });
  return made.workflow?.id ?? "";
}

async function runOf(id: string) {
  const { run } = await conductor().getRun({ id });
  if (run === undefined) throw new Error("no run");
  return run;
}

test("a workflow is kept as it was given, found, and listed newest first", async () => {
  const first = await workflow([["a", "builder"]]);
  const second = await workflow(
    [
      ["a", "builder"],
      ["b", "builder"],
    ],
    [["b", "a"]],
  );
  expect(second).toMatch(/^wf_/);
  expect((await conductor().getWorkflow({ id: second })).workflow).toMatchObject({
    id: second,
    name: "nightly",
    createdBy: "local",
    tasks: [
      { name: "a", agentType: "builder" },
      { name: "b", agentType: "builder" },
    ],
    dependencies: [{ task: "b", dependsOn: "a" }],
  });
  const page = await conductor().listWorkflows({ pageSize: 1 });
  expect(page.workflows.map(({ id }) => id)).toEqual([second]);
  const rest = await conductor().listWorkflows({ pageSize: 1, pageToken: page.nextPageToken });
  expect(rest.workflows.map(({ id }) => id)).toEqual([first]);
  for (const id of ["wf_01h455vb4pex5vsknk084sn02q", "abc-123", first.replace("wf_", "run_")]) {
    const { refusal } = await refused(conductor().getWorkflow({ id }));
    expect(refusal).toMatchObject({ reason: RefusalReason.NOT_FOUND, metadata: { kind: "workflow", id } });
  }
});

test("what cannot be a workflow is refused with every place that is wrong, and cycles with their path", async () => {
  const task = (name: string, agentType = "builder") => ({ name, agentType });
  const no = async (request: Pick<MessageInitShape<typeof CreateWorkflowRequestSchema>, "tasks" | "dependencies">) =>
    (await refused(conductor().createWorkflow({ name: "w", ...request }))).refusal;
  const wrong = await no({
    tasks: [task("a"), task("a"), task("b", "maestro.gate.release")],
    dependencies: [{ task: "a", dependsOn: "c" }],
  });
  expect(wrong.reason).toBe(RefusalReason.INVALID_REQUEST);
  expect(wrong.violations.map(({ field }) => field)).toEqual([
    "tasks[1].name",
    "tasks[2].agent_type",
    "dependencies[0].depends_on",
  ]);
  const cyclic = await no({
    tasks: [task("a"), task("b")],
    dependencies: [
      { task: "a", dependsOn: "b" },
      { task: "b", dependsOn: "a" },
    ],
  });
  expect(cyclic.reason).toBe(RefusalReason.CYCLE);
  expect(cyclic.metadata["cycle"]).toMatch(/^(a → b → a|b → a → b)$/);
  const own = await no({ tasks: [task("a")], dependencies: [{ task: "a", dependsOn: "a" }] });
  expect(own.metadata["cycle"]).toBe("a → a");
});

test("a run from a workflow is a plan: dispatched, and followed by its tasks", async () => {
  const workflowId = await workflow(
    [
      ["Build it!", "builder"],
      ["1st test", "builder"],
      ["ship", "builder"],
    ],
    [
      ["1st test", "Build it!"],
      ["ship", "1st test"],
      ["ship", "Build it!"],
    ],
  );
  const { run: made } = await conductor().createRun({
    name: "Nightly",
    owner: "ops@example.com",
    workflowId,
    costEstimate: 2.5,
    relatedEntityIds: ["entity-1"],
    relatedDecisionIds: ["decision-1"],
    metadata: { ring: 1 },
  });
  expect(made).toMatchObject({
    name: "Nightly",
    owner: "ops@example.com",
    workflowId,
    charter: "conductor",
    costEstimate: 2.5,
    relatedEntityIds: ["entity-1"],
    relatedDecisionIds: ["decision-1"],
    metadata: { ring: 1 },
    status: RunStatus.RUNNING,
  });
  expect(made?.planId.replace("plan_", "")).toBe(made?.id.replace("run_", ""));
  expect(made?.taskRuns.map(({ name, agentType, status, step }) => [name, agentType, status, step])).toEqual([
    ["Build it!", "builder", RunStatus.PENDING, "Build-it"],
    ["1st test", "builder", RunStatus.PENDING, "task-1st-test"],
    ["ship", "builder", RunStatus.PENDING, "ship"],
  ]);
  await all(createClient(PlanService, transport).watchPlan({ planId: made?.planId ?? "" }));
  const run = await runOf(made?.id ?? "");
  expect(run.status).toBe(RunStatus.SUCCEEDED);
  expect(run.taskRuns.map(({ status }) => status)).toEqual(Array.from({ length: 3 }, () => RunStatus.SUCCEEDED));
  for (const { startedAt, finishedAt } of run.taskRuns) {
    expect(startedAt).toBeDefined();
    expect(finishedAt).toBeDefined();
  }
  const { step } = await createClient(StepService, transport).getStep({ planId: run.planId, step: "Build-it" });
  expect(step?.definition).toMatchObject({ title: "Build it!", kind: { value: { capability: "builder" } } });
  const listed = await conductor().listRuns({ owner: "ops@example.com" });
  expect(listed.runs).toEqual([run]);
  expect((await conductor().getManifest({ id: run.id })).run).toEqual(run);
  expect((await charters().getCharter({ charter: "conductor" })).charter?.revision).toBe(1);
});

test("an executor is handed what its task says, with what other tasks put out", async () => {
  const task = (name: string, input?: object) => ({
    name,
    agent_type: "echo",
    ...(input === undefined ? {} : { input }),
  });
  const tasks = [
    task("say", { word: "hello" }),
    task("repeat", { word: "${{ steps.say.outputs.heard.word }}" }),
    task("mute"),
  ];
  const dependencies = [{ task: "repeat", depends_on: "say" }];
  const post = async (body: object) => {
    const headers = { "content-type": "application/json" };
    return fetch(`${server.wideUrl}/maestro/workflows`, { method: "POST", headers, body: JSON.stringify(body) });
  };
  const made = await post({ name: "spoken", tasks, dependencies });
  const { id, ...kept } = (await made.json()) as { id: string; tasks: object[] };
  expect([made.status, kept.tasks]).toEqual([201, tasks]);
  expect((await post({ name: "w", tasks: [task("a", ["a list"])] })).status).toBe(422);
  const large = [{ name: "a", agentType: "echo", input: { a: "x".repeat(65_536) } }];
  const { refusal } = await refused(conductor().createWorkflow({ name: "w", tasks: large }));
  expect(refusal.violations.map(({ field }) => field)).toEqual(["tasks[0].input"]);

  const { run } = await conductor().createRun({ name: "Spoken", owner: "ops", workflowId: id });
  const planId = run?.planId ?? "";
  await all(createClient(PlanService, transport).watchPlan({ planId }));
  const heard = async (step: string): Promise<unknown> => {
    const { step: found } = await createClient(StepService, transport).getStep({ planId, step });
    const value = found?.outputs?.value;
    return JSON.parse(value?.case === "json" ? value.value : "{}");
  };
  expect(await heard("say")).toEqual({ heard: { word: "hello" } });
  expect(await heard("repeat")).toEqual({ heard: { word: "hello" } });
  expect(await heard("mute")).toEqual({ heard: null });
});

test("tasks whose steps fail or are called off say so", async () => {
  const workflowId = await workflow(
    [
      ["break", "breaker"],
      ["after", "builder"],
    ],
    [["after", "break"]],
  );
  const { run: made } = await conductor().createRun({ name: "Broken", owner: "me", workflowId });
  await all(createClient(PlanService, transport).watchPlan({ planId: made?.planId ?? "" }));
  const run = await runOf(made?.id ?? "");
  expect(run.status).toBe(RunStatus.FAILED);
  expect(run.taskRuns.map(({ status }) => status)).toEqual([RunStatus.FAILED, RunStatus.CANCELLED]);
});

test("what a plan says is not said of its run, and what is not there is not found; nothing is left behind", async () => {
  const workflowId = await workflow([["a", "builder"]]);
  const start = (more: object) => refused(conductor().createRun({ name: "No", owner: "nobody", workflowId, ...more }));
  const said = await start({ status: RunStatus.SUCCEEDED, costActual: 3 });
  expect(said.refusal.reason).toBe(RefusalReason.INVALID_REQUEST);
  expect(said.refusal.violations.map(({ field }) => field)).toEqual(["status", "cost_actual"]);
  expect((await start({ workflowId: "wf_nothing" })).refusal).toMatchObject({
    reason: RefusalReason.NOT_FOUND,
    metadata: { kind: "workflow" },
  });
  expect((await start({ charter: "nothing" })).refusal).toMatchObject({
    reason: RefusalReason.NOT_FOUND,
    metadata: { kind: "charter" },
  });
  expect((await conductor().listRuns({ owner: "nobody" })).runs).toEqual([]);
});

test("a repeat under the same key is the same run", async () => {
  const workflowId = await workflow([["a", "builder"]]);
  const request = { name: "Once", owner: "once", workflowId, idempotencyKey: "once" };
  const [first, again] = [await conductor().createRun(request), await conductor().createRun(request)];
  expect(again.run?.id).toBe(first.run?.id);
  expect((await conductor().listRuns({ owner: "once" })).runs).toHaveLength(1);
});

test("who may not plan does not plan by making a run", async () => {
  const workflowId = await workflow([["a", "builder"]]);
  const { secret } = await createClient(IdentityService, transport).createApiKey({
    principal: "clerk",
    grants: ["map.maestro.conductor.*"],
  });
  const clerk = createGrpcTransport({
    baseUrl: server.wideUrl,
    interceptors: [
      (next) => (request) => {
        request.header.set("authorization", `Bearer ${secret}`);
        return next(request);
      },
    ],
  });
  const { refusal } = await refused(conductor(clerk).createRun({ name: "x", owner: "clerk", workflowId }));
  expect(refusal).toMatchObject({
    reason: RefusalReason.CAPABILITY_MISSING,
    metadata: { capability: "maestro:plan" },
  });
  expect((await conductor(clerk).createRun({ name: "told", owner: "clerk" })).run?.status).toBe(RunStatus.PENDING);
});
