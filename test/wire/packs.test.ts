// Disclosure packs over the wire: making them, what is refused, and archives that whoever has them can verify. Not here: archives that
// were tampered with, see packs-forged.test.ts.
import { createHash } from "node:crypto";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { RunStatus } from "../../gen/maestro/conductor/v1/run_pb.ts";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { ExecutorService } from "../../gen/maestro/v1/executor_service_pb.ts";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import { RefusalReasonSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import { StepService } from "../../gen/maestro/v1/step_service_pb.ts";
import { keyIdOf } from "../../src/support/dsse.ts";
import { contentOf, digestOf, put } from "../support/artifacts.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { exported, failures, filesOf, forger, jsonOf, linesOf, verified } from "../support/packs.ts";
import { success } from "../transport/peers.ts";
import { refused } from "../transport/refused.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";

let database: TestDatabase;
let server: TestServer;
beforeAll(async () => {
  const [engine] = inject("servers");
  if (engine === undefined) throw new Error("no server to test on");
  database = await makeDatabase(engine);
  server = await startServer({ databaseUrl: database.url });
});
afterAll(async () => {
  await server.end();
  await database.drop();
});

const transport = () => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` });
const conductor = () => createClient(ConductorService, transport());
const maestro = () => createClient(MaestroService, transport());
const reasonOf = async (call: Promise<unknown>) => {
  const { refusal } = await refused(call);
  return { reason: RefusalReasonSchema.value[refusal.reason]?.localName, metadata: refusal.metadata };
};
const UNKNOWN = "00000000000000000000000001";

async function toldRun(name = "told"): Promise<string> {
  const { run } = await conductor().createRun({ name, owner: "ann", status: RunStatus.SUCCEEDED });
  return run?.id ?? "";
}

async function artifact(runId: string, fields: { pathOrUri?: string; contentHash?: string; isFull?: boolean } = {}) {
  const { isFull = true, pathOrUri = "https://example.org/bundle.tgz", contentHash = "" } = fields;
  const { artifact: made } = await conductor().createArtifact({
    runId,
    kind: ArtifactKind.OTHER,
    pathOrUri,
    contentHash,
    metadataJson: { sbomPresent: isFull, slsaProvenancePresent: isFull, riskAssessmentPresent: isFull },
  });
  return made?.id ?? "";
}

async function packOf(runId: string, artifactIds: string[] = [], redactions: string[] = []): Promise<string> {
  const { disclosurePack } = await conductor().createDisclosurePack({
    runId,
    summary: "all of it",
    artifactIds,
    redactions,
  });
  return disclosurePack?.id ?? "";
}

/** A plan of one step that succeeded; its id. */
async function plan(): Promise<string> {
  await maestro().declareCharter({ name: "released", terms: {} });
  const { plan: made } = await maestro().plan({
    target: { case: "newGoal", value: { charter: "released", spec: { name: "release" } } },
    steps: [{ key: "build", kind: { case: "work", value: { capability: "build" } } }],
  });
  const { executor } = await createClient(ExecutorService, transport()).registerExecutor({
    spec: { name: "builder", capabilities: ["build"], slots: 1 },
  });
  const executorId = executor?.executorId ?? "";
  const { assignments } = await maestro().dispatchNext({ executorId, maxSteps: 1, wait: { seconds: 20n } });
  await maestro().reportOutcome({ executorId, outcomes: [success(assignments[0])] });
  return made?.planId ?? "";
}

describe("a pack", () => {
  test("is made of a run and its artifacts in the order given, and read and listed as it is", async () => {
    const runId = await toldRun();
    const ids = [await artifact(runId), await artifact(runId), await artifact(runId)].toReversed();
    const first = await packOf(runId, ids, ["outcome.*"]);
    const second = await packOf(runId);
    const { disclosurePack } = await conductor().getDisclosurePack({ id: first });
    expect(disclosurePack).toMatchObject({ runId, summary: "all of it", artifactIds: ids, redactions: ["outcome.*"] });
    const { disclosurePacks } = await conductor().listDisclosurePacks({ runId });
    expect(disclosurePacks.map(({ id }) => id)).toEqual([second, first]);
    expect((await conductor().listDisclosurePacks({ runId: "whatever" })).disclosurePacks).toEqual([]);
  });

  test("is refused of what is not there, of another run's artifacts, and when it says the very same again", async () => {
    const [runId, otherId] = [await toldRun(), await toldRun("other")];
    const [own, foreign] = [await artifact(runId), await artifact(otherId)];
    const make = (fields: object) =>
      reasonOf(conductor().createDisclosurePack({ runId, summary: "s", artifactIds: [own], ...fields }));
    for (const id of ["nonsense", `run_${UNKNOWN}`])
      expect(await make({ runId: id })).toEqual({ reason: "NOT_FOUND", metadata: { kind: "run", id } });
    for (const id of ["nonsense", `art_${UNKNOWN}`])
      expect(await make({ artifactIds: [own, id] })).toEqual({
        reason: "NOT_FOUND",
        metadata: { kind: "artifact", id },
      });
    expect(await make({ artifactIds: [own, foreign] })).toEqual({
      reason: "MISSING_PREMISES",
      metadata: { missing: foreign, needed_by: runId },
    });
    expect((await make({ artifactIds: [own, own] })).reason).toBe("INVALID_REQUEST");
    const { disclosurePack } = await conductor().createDisclosurePack({ runId, summary: "s", artifactIds: [own] });
    expect((await make({})).reason).toBe("ALREADY_EXISTS");
    expect(disclosurePack?.runId).toBe(runId);
    for (const id of ["nonsense", `pack_${UNKNOWN}`]) {
      expect((await reasonOf(conductor().getDisclosurePack({ id }))).reason).toBe("NOT_FOUND");
      expect((await reasonOf(exported(conductor(), id))).reason).toBe("NOT_FOUND");
    }
  });

  test("is signed with a key that is made once, however many are made at once", async () => {
    const runs = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => toldRun(`run ${String(n)}`)));
    await Promise.all(runs.map((id) => packOf(id)));
    const { signingKeys } = await conductor().listSigningKeys({});
    expect(signingKeys).toHaveLength(1);
    expect(keyIdOf(signingKeys[0]?.publicKeyPem ?? "")).toBe(signingKeys[0]?.keyId);
  });
});

describe("an archive", () => {
  test("of a run that is told of says that there are no records, and verifies with the key, its id, and neither", async () => {
    const runId = await toldRun();
    const content = contentOf(300_000, 5);
    await put(createClient(ArtifactService, transport()), content, "bundle");
    const digest = digestOf(content);
    const kept = await artifact(runId, { pathOrUri: `max://artifact/${digest}`, contentHash: digest });
    const again = await artifact(runId, { pathOrUri: `max://artifact/${digest}` });
    const { uri } = await put(createClient(ArtifactService, transport()), contentOf(10, 6), "short-lived");
    const gone = await artifact(runId, { pathOrUri: uri });
    await createClient(ArtifactService, transport()).deleteArtifact({ uri });
    const elsewhere = await artifact(runId);
    const { archive, bytes } = await exported(conductor(), await packOf(runId, [kept, again, gone, elsewhere]));
    expect(archive).toMatchObject({ fileName: `${runId}.maestro-pack.tar.gz`, contentType: "application/gzip" });
    const files = await filesOf(bytes);
    expect(files.map(([name]) => name)).toEqual([
      "keys.json",
      "artifacts/000001.jsonl",
      `evidence/${digest.replace(":", "-")}`,
      "verdicts/000001.jsonl",
      "manifest.json",
      "gate.dsse.json",
      "statement.dsse.json",
    ]);
    expect(linesOf(files, "artifacts").map(({ id, left_out: leftOut }) => [id, leftOut])).toEqual([
      [kept, null],
      [again, null],
      [gone, "gone"],
      [elsewhere, "elsewhere"],
    ]);
    expect(jsonOf(files, "manifest.json")).toMatchObject({
      format: "maestro.pack",
      run: { id: runId, status: "succeeded", plan_id: null },
      release_gate: { passed: true, mode: "flags" },
      artifacts: { count: 4, evidence: { files: 1, bytes: 300_000 } },
      records: { kind: "told", count: 0 },
    });
    const { signingKeys } = await conductor().listSigningKeys({});
    const [key] = signingKeys;
    expect(archive.keyId).toBe(key?.keyId);
    for (const trust of [
      { kind: "NONE" },
      { kind: "KEY_ID", keyId: archive.keyId },
      { kind: "KEY", publicPem: key?.publicKeyPem ?? "" },
    ] as const) {
      const verdict = await verified(bytes, trust);
      expect(failures(verdict)).toEqual({});
      expect(verdict).toMatchObject({ ok: true, keyId: archive.keyId });
    }
    const stranger = forger();
    for (const trust of [
      { kind: "KEY_ID", keyId: stranger.keyId },
      { kind: "KEY", publicPem: stranger.publicPem },
    ] as const)
      expect(failures(await verified(bytes, trust))["signature"]).toMatch(/not signed by the key that was given/);
  });

  test("of a plan has all its records in order; bodies that are redacted are withheld, and every leaf still verifies", async () => {
    const planId = await plan();
    const { run } = await conductor().getRun({ id: planId });
    const runId = run?.id ?? "";
    const open = await filesOf((await exported(conductor(), await packOf(planId))).bytes);
    const shown = linesOf(open, "records");
    expect(shown.map(({ seq }) => seq)).toEqual(shown.map((_, i) => i + 1));
    expect(shown.length).toBeGreaterThan(1);
    expect(jsonOf(open, "manifest.json")).toMatchObject({
      run: { id: runId, plan_id: planId },
      records: { kind: "plan", count: shown.length, withheld_bodies: 0, last_leaf: shown.at(-1)?.["leaf"] },
    });
    const { bytes } = await exported(conductor(), await packOf(planId, [], ["*commit*", "outcome.*"]));
    expect(failures(await verified(bytes))).toEqual({});
    const withheld = linesOf(await filesOf(bytes), "records");
    expect(withheld.map(({ leaf }) => leaf)).toEqual(shown.map(({ leaf }) => leaf));
    for (const { header, body } of withheld) {
      const { kind } = JSON.parse((header as { text: string }).text) as { kind: string };
      expect("commitment" in (body as object), kind).toBe(kind.includes("commit") || kind.startsWith("outcome."));
    }
    expect(withheld.some(({ body }) => "commitment" in (body as object))).toBe(true);
  });

  test("says what the gate says, also when it lets nothing pass, and names what is to be released", async () => {
    const runId = await toldRun();
    const hash = createHash("sha256").update("bundle").digest("hex");
    const bare = await artifact(runId, { isFull: false, contentHash: `sha256:${hash}` });
    const { bytes } = await exported(conductor(), await packOf(runId, [bare]));
    const verdict = await verified(bytes);
    expect(failures(verdict)).toEqual({});
    const { payload } = jsonOf(await filesOf(bytes), "gate.dsse.json") as { payload: string };
    expect(JSON.parse(Buffer.from(payload, "base64").toString())).toMatchObject({
      predicateType: "https://slsa.dev/verification_summary/v1",
      subject: [{ name: bare, digest: { sha256: hash } }],
      predicate: { verificationResult: "FAILED", verifiedLevels: ["FAILED"], resourceUri: `max://run/${runId}` },
    });
  });

  test("signs as released what the gate judged, and nothing of an attempt that no longer stands", async () => {
    const key = "binary";
    await maestro().declareCharter({ name: "released", terms: {} });
    const { plan: made } = await maestro().plan({
      target: { case: "newGoal", value: { charter: "released", spec: { name: "binaries" } } },
      steps: [
        { key, kind: { case: "work", value: { capability: key } } },
        { key: "check", needs: [{ step: key }], kind: { case: "work", value: { capability: "check" } } },
      ],
    });
    const planId = made?.planId ?? "";
    const { executor } = await createClient(ExecutorService, transport()).registerExecutor({
      spec: { name: "binaries", capabilities: [key, "check"], slots: 2 },
    });
    const executorId = executor?.executorId ?? "";
    const build = async (content: string): Promise<void> => {
      const { assignments } = await maestro().dispatchNext({ executorId, maxSteps: 1, wait: { seconds: 20n } });
      const digest = `sha256:${createHash("sha256").update(content).digest("hex")}`;
      const artifacts = [{ name: content, uri: `https://example.org/${content}`, digest }];
      await maestro().reportOutcome({ executorId, outcomes: [{ ...success(assignments[0]), artifacts }] });
    };
    await build("first");
    await createClient(StepService, transport()).rerunStep({ planId, step: key, reason: "again" });
    await build("second");
    const flagged = await artifact(planId);
    const { assignments } = await maestro().dispatchNext({ executorId, maxSteps: 1, wait: { seconds: 20n } });
    await maestro().reportOutcome({ executorId, outcomes: [success(assignments[0])] });

    const { artifacts } = await conductor().listArtifacts({ runId: planId });
    const ids = ["first", "second"].map((end) => artifacts.find(({ pathOrUri }) => pathOrUri.endsWith(end))?.id ?? "");
    const { bytes } = await exported(conductor(), await packOf(planId, [...ids, flagged]));
    expect(failures(await verified(bytes))).toEqual({});
    const files = await filesOf(bytes);
    expect(linesOf(files, "artifacts").map(({ id, judged }) => [id, judged])).toEqual([
      [ids[0], false],
      [ids[1], true],
      [flagged, true],
    ]);
    const { payload } = jsonOf(files, "gate.dsse.json") as { payload: string };
    expect(JSON.parse(Buffer.from(payload, "base64").toString())).toMatchObject({
      subject: [{ name: ids[1] }],
      predicate: { verificationResult: "PASSED" },
    });
  });

  test("of the same pack holds the same files, but for the moment that it tells of", async () => {
    const runId = await toldRun();
    const id = await packOf(runId, [await artifact(runId)]);
    const [one, two] = [await exported(conductor(), id), await exported(conductor(), id)];
    const [a, b] = [await filesOf(one.bytes), await filesOf(two.bytes)];
    const timed = ["manifest.json", "gate.dsse.json", "statement.dsse.json"];
    const untimed = (files: typeof a) => files.filter(([name]) => !timed.includes(name));
    expect(untimed(a)).toEqual(untimed(b));
  });
});
