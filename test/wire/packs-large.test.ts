// Packs of a size: ten thousand artifacts, evidence that is larger than what is held at a time, readers that go away, and
// content that is deleted meanwhile. Not here: what packs say.
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { afterAll, beforeAll, expect, inject, test, vi } from "vitest";
import { ArtifactKind } from "../../gen/maestro/conductor/v1/artifact_pb.ts";
import { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { ArtifactService } from "../../gen/maestro/v1/artifact_service_pb.ts";
import { RefusalReason } from "../../gen/maestro/v1/refusal_pb.ts";
import { typeidOf, uuidOf } from "../../src/support/typeid.ts";
import { contentOf, put } from "../support/artifacts.ts";
import type { Artifacts } from "../support/artifacts.ts";
import { asAdmin, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { exported, failures, filesOf, jsonOf, verified } from "../support/packs.ts";
import type { Conductor } from "../support/packs.ts";
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

const MIB = 1_048_576;
const transport = () => createGrpcTransport({ baseUrl: `http://${server.grpcUrl}` });
let client: Conductor | undefined;
const conductor = (): Conductor => (client ??= createClient(ConductorService, transport()));

async function runWith(pathsOrUris: readonly string[]): Promise<{ readonly runId: string; readonly ids: string[] }> {
  const { run } = await conductor().createRun({ name: "large", owner: "ann" });
  const runId = run?.id ?? "";
  const ids: string[] = [];
  for (const pathOrUri of pathsOrUris) {
    const { artifact } = await conductor().createArtifact({ runId, kind: ArtifactKind.OTHER, pathOrUri });
    ids.push(artifact?.id ?? "");
  }
  return { runId, ids };
}

async function packOf(runId: string, artifactIds: string[]): Promise<string> {
  const { disclosurePack } = await conductor().createDisclosurePack({ runId, summary: "large", artifactIds });
  return disclosurePack?.id ?? "";
}

/** Made in the store at once: ten thousand calls are not what is tried here. */
async function manyArtifacts(runId: string, count: number): Promise<string[]> {
  const rows = await asAdmin(
    database.adminUrl,
    (sql) => sql<{ artifact_id: string }[]>`
      INSERT INTO maestro.run_artifacts (org_id, artifact_id, run_id, kind, uri, content_hash, sbom_present,
        slsa_provenance_present, risk_assessment_present, additional, created_ms, created_by)
      SELECT org_id, gen_random_uuid(), run_id, 'OTHER', 'https://example.org/part/' || i, '', true, true, true, '{}', created_ms, 'ann'
      FROM maestro.runs, generate_series(1, ${count}) i WHERE run_id = ${runId} RETURNING artifact_id`,
  );
  return rows.map(({ artifact_id: id }) => typeidOf("art", id));
}

/** Deletes content, and what it was made of at once. */
async function swept(artifacts: Artifacts, uri: string): Promise<void> {
  const digest = uri.replace("max://artifact/", "");
  await asAdmin(database.adminUrl, async (sql) => {
    const [row] = await sql<
      { content_id: string }[]
    >`SELECT content_id FROM maestro.artifacts WHERE digest = ${digest}`;
    await artifacts.deleteArtifact({ uri });
    await sql`DELETE FROM maestro.artifact_chunks WHERE content_id = ${row?.content_id ?? ""}`;
  });
}

test("a pack of ten thousand artifacts is made, exported and verified, and one more is refused", async () => {
  const { runId } = await runWith([]);
  const ids = await manyArtifacts(uuidOf(runId, "run") ?? "", 10_001);
  const { refusal } = await refused(conductor().createDisclosurePack({ runId, summary: "large", artifactIds: ids }));
  expect(refusal.reason).toBe(RefusalReason.INVALID_REQUEST);
  const { bytes } = await exported(conductor(), await packOf(runId, ids.slice(1)));
  expect(failures(await verified(bytes))).toEqual({});
  const files = await filesOf(bytes);
  expect(jsonOf(files, "manifest.json")).toMatchObject({ artifacts: { count: 10_000 } });
  expect(files.filter(([name]) => name.startsWith("artifacts/")).length).toBeGreaterThan(1);
}, 60_000);

test("evidence goes through in parts; readers that go away leave nothing behind", async () => {
  const artifacts = createClient(ArtifactService, transport());
  const uris: string[] = [];
  for (const seed of [1, 2, 3]) uris.push((await put(artifacts, contentOf(2 * MIB, seed))).uri);
  const { runId, ids } = await runWith(uris);
  const id = await packOf(runId, ids);
  for (let times = 0; times < 70; times++) {
    const gone = new AbortController();
    const reading = async (): Promise<void> => {
      for await (const { part } of conductor().exportDisclosurePack({ id }, { signal: gone.signal }))
        if (part.case === "data") gone.abort();
    };
    await expect(reading()).rejects.toMatchObject({ code: Code.Canceled });
  }
  // 64 downloads of an org may be open at once: those that broke off are not. The server hears of that in a moment.
  const { bytes, parts } = await vi.waitFor(() => exported(conductor(), id), { timeout: 20_000 });
  expect(parts).toBeGreaterThan(20);
  expect(failures(await verified(bytes))).toEqual({});
}, 60_000);

test("what is deleted while it is exported ends the archive early, and the next one says that it is gone", async () => {
  const artifacts = createClient(ArtifactService, transport());
  const uris: string[] = [];
  for (const seed of [11, 12, 13, 14]) uris.push((await put(artifacts, contentOf(2 * MIB, seed))).uri);
  const { runId, ids } = await runWith(uris);
  const id = await packOf(runId, ids);
  const parts: Uint8Array[] = [];
  const broken = async (): Promise<void> => {
    for await (const { part } of conductor().exportDisclosurePack({ id })) {
      // What a sweep does, while more of the archive is to come than can be on its way to a reader that waits.
      if (part.case === "archive") await swept(artifacts, uris.at(-1) ?? "");
      if (part.case === "data") parts.push(part.value);
    }
  };
  expect((await refused(broken())).refusal.reason).toBe(RefusalReason.NOT_FOUND);
  expect((await verified(Buffer.concat(parts))).checks).toMatchObject([{ check: "archive", ok: false }]);
  const { bytes } = await exported(conductor(), id);
  expect(failures(await verified(bytes))).toEqual({});
  expect(jsonOf(await filesOf(bytes), "manifest.json")).toMatchObject({
    artifacts: { evidence: { files: 3, left_out: { gone: 1 } } },
  });
}, 60_000);
