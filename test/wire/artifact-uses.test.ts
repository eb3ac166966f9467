// Plans whose inputs and outcomes name artifacts of this service: those that are there are kept for the plan; without them there is
// no commit, and an attempt fails that says it made them.
// Not here: ArtifactService, see artifacts.test.ts.
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import type { Assignment } from "../../gen/maestro/v1/dispatch_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import type { ArtifactRefSchema } from "../../gen/maestro/v1/payload_pb.ts";
import { PlanService } from "../../gen/maestro/v1/plan_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { ErrorClass, StepState } from "../../gen/maestro/v1/step_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { contentOf, digestOf, put } from "../support/artifacts.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { attach, success } from "../transport/peers.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

type Ref = MessageInitShape<typeof ArtifactRefSchema>;

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
  await maestro().declareCharter({ name: "made", terms: {} });
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

const transport = () => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` });
const maestro = () => createClient(MaestroService, transport());
const artifacts = () => createClient(ArtifactService, transport());

async function planOf(...steps: readonly string[]): Promise<string> {
  const { plan } = await maestro().plan({
    target: { case: "newGoal", value: { charter: "made", spec: { name: "made" } } },
    steps: steps.map((key) => ({ key, kind: { case: "work" as const, value: { capability: key } } })),
  });
  return plan?.planId ?? "";
}

/** Leases the step of a new plan by a call, and reports its success with these artifacts; answers how the step stands. */
async function reported(key: string, refs: readonly Ref[]) {
  const planId = await planOf(key);
  const { executor } = await createClient(ExecutorService, transport()).registerExecutor({
    spec: { name: key, capabilities: [key], slots: 1 },
  });
  const executorId = executor?.executorId ?? "";
  const { assignments } = await maestro().dispatchNext({ executorId, maxSteps: 1, wait: { seconds: 20n } });
  const outcome = { ...success(assignments[0]), artifacts: [...refs] };
  const { results } = await maestro().reportOutcome({ executorId, outcomes: [outcome] });
  const repeat = await maestro().reportOutcome({ executorId, outcomes: [outcome] });
  expect(repeat.results[0]?.result).toMatchObject({ case: "receipt", value: { duplicate: true } });
  expect(results[0]?.result.case).toBe("receipt");
  const { attempts } = await createClient(StepService, transport()).listAttempts({ planId, step: key });
  const { step } = await createClient(StepService, transport()).getStep({ planId, step: key });
  return { planId, state: step?.state, failure: attempts[0]?.failure, artifacts: attempts[0]?.artifacts };
}

test("what is there, and what is kept elsewhere, counts", async () => {
  const { uri, digest, sizeBytes } = await put(artifacts(), contentOf(1_000, 1));
  const refs = [
    { name: "ours", uri, digest, sizeBytes },
    { name: "less said", uri },
    { name: "foreign", uri: "s3://bucket/key", digest: "md5:1", sizeBytes: 7n },
  ];
  const { state, artifacts: kept } = await reported("there", refs);
  expect(state).toBe(StepState.SUCCEEDED);
  expect(kept?.map(({ name, uri: address }) => [name, address])).toEqual(refs.map(({ name, uri: a }) => [name, a]));
});

test("what is not there fails the attempt, which may pass when tried again; a repeat gets the same answer", async () => {
  const absent = `max://artifact/${digestOf(Buffer.from("absent"))}`;
  const malformed = "max://artifact/sha256:zz";
  const { state, failure } = await reported("absent", [
    { name: "a", uri: absent },
    { name: "b", uri: malformed },
  ]);
  expect(state).toBe(StepState.FAILED);
  expect(failure?.errorClass).toBe(ErrorClass.TRANSIENT);
  expect(failure?.message).toContain("MISSING_PREMISES");
  expect(JSON.parse(failure?.detailsJson ?? "")).toEqual({ rule: "artifact.missing", missing: [absent, malformed] });
});

test.each([
  ["digest", { digest: digestOf(Buffer.from("another")) }],
  ["size", { sizeBytes: 999n }],
])(
  "an outcome that names another %s than the content's contradicts itself, and is not tried again",
  async (what, said) => {
    const { uri } = await put(artifacts(), contentOf(1_000, 2));
    const { state, failure } = await reported(`contradicted-${what}`, [{ name: "a", uri, ...said }]);
    expect(state).toBe(StepState.FAILED);
    expect(failure?.errorClass).toBe(ErrorClass.PERMANENT);
    expect(failure?.message).toContain("CONTRADICTORY_EVIDENCE");
  },
);

test("over a stream it is the same, and what a plan uses is kept until the plan has ended", async () => {
  const { uri } = await put(artifacts(), contentOf(1_000, 3));
  const planId = await planOf("first", "second");
  const executor = attach(transport());
  executor.say({
    case: "hello",
    value: { spec: { name: "streamed", capabilities: ["first", "second"], slots: 2 }, incarnation: "one" },
  });
  const assignments: Assignment[] = [];
  while (assignments.length < 2) assignments.push(...(await executor.hear("assignments")).assignments);
  const of = (key: string) => success(assignments.find(({ lease }) => lease?.step === key));
  const say = async (outcome: MessageInitShape<typeof ArtifactRefSchema>[], key: string): Promise<void> => {
    executor.say({ case: "outcomes", value: { outcomes: [{ ...of(key), artifacts: outcome }] } });
    await executor.acks();
  };
  await say([{ name: "a", uri }], "first");
  const { refusal } = await refused(artifacts().deleteArtifact({ uri }));
  expect(refusal).toMatchObject({
    reason: RefusalReason.STATE_CONFLICT,
    metadata: { kind: "artifact", id: uri, state: "IN_USE", plan_id: planId },
  });
  await say([{ name: "b", uri: `max://artifact/${digestOf(Buffer.from("none"))}` }], "second");
  executor.end();
  const { step } = await createClient(StepService, transport()).getStep({ planId, step: "second" });
  expect(step?.state).toBe(StepState.FAILED);
  await artifacts().deleteArtifact({ uri });
  expect((await refused(artifacts().getArtifact({ uri }))).refusal.reason).toBe(RefusalReason.NOT_FOUND);
});

test("a step can be handed an artifact that is there, which is kept from then on; no commit names one that is not", async () => {
  const { uri } = await put(artifacts(), contentOf(1_000, 4));
  const committed = (artifactUri: string) =>
    maestro().plan({
      target: { case: "newGoal", value: { charter: "made", spec: { name: "handed" } } },
      steps: [
        {
          key: "reads",
          kind: { case: "work", value: { capability: "nobody" } },
          input: { value: { case: "artifactUri", value: artifactUri } },
        },
      ],
    });
  for (const absent of [`max://artifact/${digestOf(Buffer.from("never"))}`, "max://artifact/nonsense"]) {
    const { refusal } = await refused(committed(absent));
    expect(refusal).toMatchObject({
      reason: RefusalReason.MISSING_PREMISES,
      metadata: { missing: absent, needed_by: "reads" },
    });
  }
  await committed("https://example.org/elsewhere");
  const { plan } = await committed(uri);
  const planId = plan?.planId ?? "";
  const { refusal } = await refused(artifacts().deleteArtifact({ uri }));
  expect(refusal.metadata).toMatchObject({ state: "IN_USE", plan_id: planId });
  await createClient(PlanService, transport()).cancelPlan({ planId });
  await artifacts().deleteArtifact({ uri });
});
