// Runs, their artifacts and manifests over the wire: what is taken, what is refused, and what is left in the records. Not here: REST's
// words, gates, packs and workflows.
import { create as createMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { MessageShape } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import type { Client } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { Client as GrpcClient, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { RunStatus } from "../../gen/maestro/conductor/v1/run_pb.ts";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { RefusalReasonSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import { asAdmin, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { contentOf, put } from "../support/artifacts.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

let database: TestDatabase;
let server: TestServer;
let runs: Client<typeof ConductorService>;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
  runs = createClient(ConductorService, createConnectTransport({ baseUrl: server.wideUrl, httpVersion: "2" }));
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

const native = () => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` });
const OWNER = { name: "r", owner: "o" };
const at = (ms: number) => ({ seconds: BigInt(Math.floor(ms / 1_000)), nanos: (ms % 1_000) * 1_000_000 });
const create = async (over: object = {}) => (await runs.createRun({ ...OWNER, ...over })).run;
const idOf = async (over: object = {}) => (await create(over))?.id ?? "";
const artifactOf = (runId: string, over: object = {}) =>
  runs.createArtifact({ runId, kind: ArtifactKind.SBOM, pathOrUri: "s3://a/b", ...over });

const why = async (call: Promise<unknown>) => {
  const { refusal } = await refused(call);
  return { reason: RefusalReasonSchema.value[refusal.reason]?.localName, rule: refusal.rule, refusal };
};
/** The field that is wrong. */
const wrong = async (call: Promise<unknown>) => {
  const { reason, refusal } = await why(call);
  expect(reason).toBe("INVALID_REQUEST");
  return refusal.violations.map(({ field }) => field);
};

async function records(runId: string): Promise<readonly { readonly kind: string; readonly body: object }[]> {
  return asAdmin(database.adminUrl, async (sql) => {
    const rows = await sql<{ kind: string; body: string }[]>`
      SELECT j.kind, j.body FROM maestro.journal j JOIN maestro.runs r ON j.body::json ->> 'run' = r.run_id::text
      WHERE r.name = ${runId} ORDER BY j.seq`;
    return rows.map(({ kind, body }) => ({ kind, body: JSON.parse(body) as object }));
  });
}

describe("under the name without the house's", () => {
  test("the wide port speaks Connect and gRPC, the fast lane gRPC", async () => {
    const path = "/conductor.v1.ConductorService/CreateRun";
    const answer = await fetch(`${server.wideUrl}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(OWNER),
    });
    expect(await answer.json()).toMatchObject({ run: { name: "r", owner: "o" } });
    const { input, output } = ConductorService.method.createRun;
    for (const address of [new URL(server.wideUrl).host, server.grpcUrl]) {
      const peer = new GrpcClient(address, credentials.createInsecure());
      const made = await new Promise<MessageShape<typeof output> | undefined>((resolve, reject) =>
        peer.makeUnaryRequest(
          path,
          (message: MessageShape<typeof input>) => Buffer.from(toBinary(input, message)),
          (bytes) => fromBinary(output, bytes),
          createMessage(input, OWNER),
          (error, message) => (error === null ? resolve(message) : reject(error)),
        ),
      );
      peer.close();
      expect(made?.run).toMatchObject({ name: "r", owner: "o" });
    }
  });
});

describe("a run of work done elsewhere", () => {
  test("is told of, read at once by whoever asks, and changed; each leaves one record of what was set", async () => {
    const name = crypto.randomUUID();
    const made = await create({ name, costEstimate: 1.5, relatedEntityIds: ["e"], metadata: { b: [1, null], a: "x" } });
    expect(made).toMatchObject({ name, status: RunStatus.PENDING, metadata: { a: "x", b: [1, null] }, planId: "" });
    const id = made?.id ?? "";
    expect((await runs.getRun({ id })).run).toEqual(made);
    const { run } = await runs.updateRun({ id, status: RunStatus.SUCCEEDED, costActual: 2 });
    expect(run).toMatchObject({ status: RunStatus.SUCCEEDED, costActual: 2, costEstimate: 1.5, name });
    expect(run?.finishedAt).toBeDefined();
    expect((await createClient(ConductorService, native()).getRun({ id })).run).toEqual(run);
    expect(await records(name)).toMatchObject([
      { kind: "conductor.run.create", body: { name, cost_estimate: 1.5, related_entity_ids: ["e"] } },
      { kind: "conductor.run.update", body: { status: "SUCCEEDED", cost_actual: 2 } },
    ]);
  });

  test("moves only forward; the same status again is no move", async () => {
    const id = await idOf({ status: RunStatus.RUNNING });
    await runs.updateRun({ id, status: RunStatus.RUNNING });
    await runs.updateRun({ id, status: RunStatus.FAILED });
    await runs.updateRun({ id, status: RunStatus.FAILED, costActual: 1 });
    for (const status of [RunStatus.PENDING, RunStatus.RUNNING, RunStatus.SUCCEEDED])
      expect(await why(runs.updateRun({ id, status }))).toMatchObject({ reason: "STATE_CONFLICT", rule: "run.status" });
  });

  test.each([
    ["1969", { startedAt: { seconds: -1n, nanos: 0 } }, "started_at"],
    ["the year 10000", { finishedAt: { seconds: 253_402_300_800n, nanos: 0 } }, "finished_at"],
    ["half a second too many", { startedAt: { seconds: 0n, nanos: 1_500_000_000 } }, "started_at"],
    ["an end before the start", { startedAt: at(2_000), finishedAt: at(1_000) }, "finished_at"],
    ["a negative cost", { costEstimate: -0.01 }, "cost_estimate"],
    ["a cost that is no number", { costActual: Number.NaN }, "cost_actual"],
    ["an absurd cost", { costActual: 1e13 }, "cost_actual"],
    ["no owner", { owner: "" }, "owner"],
    ["a status that is none", { status: 99 }, "status"],
    ["metadata that is too long", { metadata: { a: "x".repeat(65_536) } }, "metadata"],
    ["metadata with a NUL", { metadata: { a: ["\0"] } }, "metadata"],
    ["metadata whose numbers lose digits", { metadata: { a: 2 ** 53 } }, "metadata"],
    ["metadata that is no number", { metadata: { a: Number.POSITIVE_INFINITY } }, "metadata"],
  ])("is refused with %s", async (_what, over, field) => {
    expect(await wrong(runs.createRun({ ...OWNER, ...(over as object) }))).toEqual(expect.arrayContaining([field]));
  });

  test("whose metadata nests too deeply is refused, whichever way it comes", async () => {
    let deep: unknown = 1;
    for (let i = 0; i < 70; i++) deep = { a: deep };
    expect(await wrong(runs.createRun({ ...OWNER, metadata: { a: deep } as never }))).toHaveLength(1);
    const text = `{"name":"r","owner":"o","metadata":${'{"a":'.repeat(70)}1${"}".repeat(70)}}`;
    const answer = await fetch(`${server.wideUrl}/maestro.conductor.v1.ConductorService/CreateRun`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: text,
    });
    expect(answer.status).toBe(400);
  });

  test("with the same key and metadata in another order is the same call", async () => {
    const idempotencyKey = crypto.randomUUID();
    const one = await create({ idempotencyKey, metadata: { a: 1, b: { c: 2, d: 3 } } });
    expect(await create({ idempotencyKey, metadata: { b: { d: 3, c: 2 }, a: 1 } })).toEqual(one);
    const other = runs.createRun({ ...OWNER, idempotencyKey, metadata: { a: 2 } });
    expect((await why(other)).reason).toBe("IDEMPOTENCY_CONFLICT");
  });

  test("goes by the charter that it names, which must be there", async () => {
    await createClient(MaestroService, native()).declareCharter({ name: "strict", terms: {} });
    expect(await create({ charter: "strict" })).toMatchObject({ charter: "strict" });
    expect((await why(runs.createRun({ ...OWNER, charter: "none" }))).reason).toBe("NOT_FOUND");
  });

  test("is listed newest first, by owner and by status", async () => {
    const owner = crypto.randomUUID();
    for (const name of ["1", "2", "3"]) {
      await runs.createRun({ name, owner, status: name === "2" ? RunStatus.RUNNING : RunStatus.PENDING });
      const before = Date.now();
      await expect.poll(() => Date.now()).toBeGreaterThan(before);
    }
    const first = await runs.listRuns({ owner, pageSize: 2 });
    const rest = await runs.listRuns({ owner, pageSize: 2, pageToken: first.nextPageToken });
    expect([...first.runs, ...rest.runs].map(({ name }) => name)).toEqual(["3", "2", "1"]);
    expect((await runs.listRuns({ owner, status: RunStatus.RUNNING })).runs.map(({ name }) => name)).toEqual(["2"]);
  });
});

test("a plan's run is found by the ids of run, plan and goal; what it has from its plan is nobody's to set", async () => {
  const maestro = createClient(MaestroService, native());
  await maestro.declareCharter({ name: "free", terms: {} });
  const { plan } = await maestro.plan({
    target: { case: "newGoal", value: { charter: "free", spec: { name: "planned" } } },
    steps: [{ key: "a", kind: { case: "work", value: { capability: "nobody-has" } } }],
  });
  const { run } = await runs.getRun({ id: plan?.planId ?? "" });
  expect(run).toMatchObject({ name: "planned", status: RunStatus.RUNNING, planId: plan?.planId });
  for (const id of [plan?.goalId ?? "", run?.id ?? ""]) expect((await runs.getRun({ id })).run).toEqual(run);
  const id = run?.id ?? "";
  for (const change of [{ status: RunStatus.SUCCEEDED }, { costActual: 1 }, { finishedAt: at(5) }])
    expect(await why(runs.updateRun({ id, ...change }))).toMatchObject({
      reason: "STATE_CONFLICT",
      rule: "run.of_plan",
    });
  expect((await runs.updateRun({ id, owner: "somebody", costEstimate: 3 })).run).toMatchObject({
    owner: "somebody",
    costEstimate: 3,
    status: RunStatus.RUNNING,
  });
});

test.each([
  "",
  "run_",
  "run_01j",
  "abc-123",
  "plan_00000000000000000000000000",
  "💥",
  "../../etc/passwd",
  "a".repeat(300),
])("an id of any shape is looked up: %s", async (id) => {
  const calls = [
    runs.getRun({ id }),
    runs.updateRun({ id, name: "x" }),
    runs.getManifest({ id }),
    runs.getArtifact({ id }),
    artifactOf(id),
  ];
  const reasons = await Promise.all(calls.map(async (call) => (await why(call)).reason));
  expect(new Set(reasons)).toEqual(new Set([id === "" ? "INVALID_REQUEST" : "NOT_FOUND"]));
});

describe("an artifact", () => {
  test("of a run is made known, read and listed, with one record", async () => {
    const name = crypto.randomUUID();
    const runId = await idOf({ name });
    const metadataJson = { sbomPresent: true, additionalMetadata: { tool: "x" } };
    const { artifact } = await artifactOf(runId, { contentHash: "md5:whatever", metadataJson });
    expect(artifact).toMatchObject({
      runId,
      kind: ArtifactKind.SBOM,
      contentHash: "md5:whatever",
      metadataJson,
      step: "",
    });
    expect((await runs.getArtifact({ id: artifact?.id ?? "" })).artifact).toEqual(artifact);
    expect((await runs.listArtifacts({ runId })).artifacts).toEqual([artifact]);
    expect((await runs.listArtifacts({ runId, kind: ArtifactKind.OTHER })).artifacts).toEqual([]);
    expect((await runs.listArtifacts({ runId: "run_none" })).artifacts).toEqual([]);
    expect((await records(name)).map(({ kind }) => kind)).toEqual([
      "conductor.run.create",
      "conductor.artifact.create",
    ]);
  });

  test("must be of a kind, and its hash of an algorithm", async () => {
    const runId = await idOf();
    expect(await wrong(artifactOf(runId, { kind: 0 }))).toEqual(["kind"]);
    expect(await wrong(artifactOf(runId, { contentHash: "abc" }))).toEqual(["content_hash"]);
    expect(await wrong(artifactOf(runId, { pathOrUri: "max://artifact/sha256:12" }))).toEqual(["path_or_uri"]);
  });

  test("that names kept content must name what is there, by no other digest", async () => {
    const runId = await idOf();
    const digest = `sha256:${"ab".repeat(32)}`;
    expect((await why(artifactOf(runId, { pathOrUri: `max://artifact/${digest}` }))).reason).toBe("NOT_FOUND");
    const kept = await put(createClient(ArtifactService, native()), contentOf(100));
    const pathOrUri = kept?.uri ?? "";
    await artifactOf(runId, { pathOrUri, contentHash: kept?.digest ?? "" });
    await artifactOf(runId, { pathOrUri, contentHash: "sha512:elsewhere" });
    const other = await why(artifactOf(runId, { pathOrUri, contentHash: digest }));
    expect(other).toMatchObject({ reason: "CONTRADICTORY_EVIDENCE", rule: "artifact.content_hash" });
    expect(other.refusal.recordUri).not.toBe("");
  });
});

test.each([" ", "\u200b", "\u202e\u2066", "\ufeff\u00a0", "\u3164"])(
  "a text that shows nothing is refused: %j",
  async (blank) => {
    const id = await idOf();
    const { artifact } = await artifactOf(id);
    const expiresAt = at(Date.now() + 60_000);
    expect(await wrong(create({ name: blank, owner: blank }))).toEqual(["name", "owner"]);
    expect(await wrong(runs.updateRun({ id, name: blank, owner: blank }))).toEqual(["name", "owner"]);
    expect(await wrong(runs.grantWaiver({ runId: id, rule: "sbom.present", reason: blank, expiresAt }))).toEqual([
      "reason",
    ]);
    const pack = { runId: id, summary: blank, artifactIds: [artifact?.id ?? ""] };
    expect(await wrong(runs.createDisclosurePack(pack))).toEqual(["summary"]);
    expect((await create({ name: `${blank}é${blank}` }))?.name).toBe(`${blank}é${blank}`);
  },
);

test("a manifest has the run, what it made, its newest pack and its report; one that is too large is refused by name", async () => {
  const id = await idOf({ name: "shown", status: RunStatus.SUCCEEDED });
  const flags = { sbomPresent: true, slsaProvenancePresent: true, riskAssessmentPresent: true };
  const { artifact } = await artifactOf(id, { metadataJson: flags });
  expect((await runs.getManifest({ id })).disclosurePack).toBeUndefined();
  const made = await runs.createDisclosurePack({ runId: id, summary: "s", artifactIds: [artifact?.id ?? ""] });
  const manifest = await runs.getManifest({ id });
  expect(manifest).toMatchObject({ run: { id }, artifacts: [artifact], disclosurePack: made.disclosurePack });
  expect(manifest.complianceReport).toMatchObject({
    runName: "shown",
    runStatus: "succeeded",
    releaseGatePassed: true,
    releaseGateMessage: "Release gate passed: 1 compliant artifact(s) found",
    artifacts: [{ artifactId: artifact?.id, kind: "sbom", compliant: true }],
    summary: { totalArtifacts: 1, compliantArtifacts: 1 },
  });
  const large = { additionalMetadata: { a: "x".repeat(65_000) } };
  await Promise.all(Array.from({ length: 70 }, () => artifactOf(id, { metadataJson: large })));
  for (const transport of [native(), createGrpcTransport({ baseUrl: server.wideUrl })]) {
    const { reason, refusal } = await why(createClient(ConductorService, transport).getManifest({ id }));
    expect(reason).toBe("TOO_LARGE");
    expect(Number(refusal.metadata["size_bytes"])).toBeGreaterThan(4 * 1024 * 1024);
  }
  expect((await fetch(`${server.wideUrl}/maestro/runs/${id}/manifest`)).status).toBe(200);
});
