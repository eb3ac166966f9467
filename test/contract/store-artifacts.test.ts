// Artifacts in the store: chunks, what is missing of them, uses, sweeps, and how the database finds them. Not here: isolation, see
// store-isolation.test.ts, and what operations decide.
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { KeptArtifact, Upload } from "../../src/domain/artifact.ts";
import type { OrgId, PlanId, SessionId, UploadId } from "../../src/domain/id.ts";
import { sweepArtifacts } from "../../src/operations/artifact-sweep.ts";
import { ARTIFACTS } from "../../src/store/postgres/artifacts.ts";
import { SCANS } from "../../src/store/postgres/scans.ts";
import { seeing } from "../../src/store/postgres/statement.ts";
import { contentOf } from "../support/artifacts.ts";
import { asAdmin } from "../support/database.ts";
import { changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { indexes, planOf, scanned } from "./explain-support.ts";

const KIB = 1024;
const CHUNK = 64 * KIB;
const LATER = 9e12;
const digestNr = (nr: number): string => `sha256:${nr.toString(16).padStart(64, "0")}`;

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  const session = newId() as SessionId;
  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
  });
  afterAll(() => it.end());

  const anUpload = (fields: Partial<Upload> = {}): Upload => ({
    orgId,
    uploadId: newId() as UploadId,
    principal: "p",
    digest: digestNr(1),
    sizeBytes: 10 * CHUNK,
    chunkBytes: CHUNK,
    contentType: "text/plain",
    name: "n",
    createdMs: 1,
    expiresMs: LATER,
    ...fields,
  });
  const anArtifact = (fields: Partial<KeptArtifact> = {}): KeptArtifact => ({
    orgId,
    digest: digestNr(1),
    sizeBytes: CHUNK,
    contentType: "text/plain",
    name: "n",
    createdMs: 1,
    createdBy: "p",
    contentId: newId() as UploadId,
    chunkBytes: CHUNK,
    ...fields,
  });
  const chunksOf = async (contentId: UploadId): Promise<number> =>
    asAdmin(it.database.adminUrl, async (sql) => {
      const [row] = await sql<
        { n: number }[]
      >`SELECT count(*)::int AS n FROM maestro.artifact_chunks WHERE content_id = ${contentId}`;
      return row?.n ?? 0;
    });

  test("a chunk is taken once: the same again is the same, other bytes are other bytes", async () => {
    const upload = anUpload({ digest: digestNr(2) });
    const [data, other] = [contentOf(CHUNK, 1), contentOf(CHUNK, 2)];
    const add = (bytes: Uint8Array) =>
      it.store.transaction([orgId], (tx) => tx.artifacts.addChunk(orgId, upload.uploadId, 3, bytes));
    expect((await Promise.all([add(data), add(data), add(data)])).toSorted()).toEqual(["added", "same", "same"]);
    expect(await add(other)).toBe("other");
    const read = await it.store.transaction([orgId], (tx) => tx.artifacts.chunk(orgId, upload.uploadId, 3));
    expect(read !== undefined && data.equals(read)).toBe(true);
  });

  test("what is missing is told in stretches, first to last, whatever came", async () => {
    const { uploadId } = anUpload();
    const missing = (chunks: number) =>
      it.store.transaction([orgId], (tx) => tx.artifacts.received(orgId, uploadId, chunks));
    const add = (...places: readonly number[]) =>
      it.store.transaction([orgId], async (tx) => {
        for (const place of places) await tx.artifacts.addChunk(orgId, uploadId, place, Buffer.from("abc"));
      });
    expect(await missing(0)).toEqual({ bytes: 0, gaps: [] });
    expect(await missing(5)).toEqual({ bytes: 0, gaps: [{ from: 0, to: 5 }] });
    await add(1, 3);
    expect(await missing(5)).toEqual({
      bytes: 6,
      gaps: [
        { from: 0, to: 1 },
        { from: 2, to: 3 },
        { from: 4, to: 5 },
      ],
    });
    await add(0, 2, 4);
    expect(await missing(5)).toEqual({ bytes: 15, gaps: [] });
    const { uploadId: sparse } = anUpload();
    await it.store.transaction([orgId], async (tx) => {
      for (let place = 0; place < 300; place += 2) await tx.artifacts.addChunk(orgId, sparse, place, Buffer.from("a"));
    });
    const { gaps } = await it.store.transaction([orgId], (tx) => tx.artifacts.received(orgId, sparse, 300));
    expect([gaps.length, gaps[0], gaps[99]]).toEqual([100, { from: 1, to: 2 }, { from: 199, to: 200 }]);
  });

  test("an artifact that a plan under way uses is known to be used until the plan has ended", async () => {
    const artifact = anArtifact({ digest: digestNr(3) });
    const absent = digestNr(4);
    const charter = aCharter(orgId, `used-${newId()}`);
    const goal = aGoal(charter);
    const { planId } = goal;
    const openUse = () => it.store.transaction([orgId], (tx) => tx.artifacts.openUse(orgId, artifact.digest));
    await it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(charter);
      await tx.goals.add(goal);
      await tx.artifacts.add(artifact);
      const there = new Map([[artifact.digest, CHUNK]]);
      expect(await tx.artifacts.use(orgId, newId() as PlanId, [artifact.digest])).toEqual(there);
      expect(await tx.artifacts.openUse(orgId, artifact.digest)).toBeUndefined();
      const asked = [absent, artifact.digest, artifact.digest];
      expect(await tx.artifacts.use(orgId, planId, asked)).toEqual(there);
      expect(await tx.artifacts.use(orgId, planId, asked)).toEqual(there);
    });
    expect(await openUse()).toBe(planId);
    await it.store.transaction([orgId], async (tx) => {
      const plan = await tx.plans.lock(orgId, planId);
      if (plan === undefined) throw new Error("no plan");
      await tx.plans.save(changesOf({ ...plan, state: "COMPLETED", committedMs: 1, finishedMs: 2, rev: 2 }, {}));
    });
    expect(await openUse()).toBeUndefined();
  });

  test("nobody begins to use what is being deleted", async () => {
    const artifact = anArtifact({ digest: digestNr(5) });
    await it.store.transaction([orgId], (tx) => tx.artifacts.add(artifact));
    const locked = Promise.withResolvers<void>();
    const deletion = it.store.transaction([orgId], async (tx) => {
      await tx.artifacts.lock(orgId, artifact.digest);
      locked.resolve();
      // The other one waits for this lock, or has not asked yet: both are answered alike.
      await tx.artifacts.remove(artifact, 1);
    });
    await locked.promise;
    const use = it.store.transaction([orgId], (tx) => tx.artifacts.use(orgId, newId() as PlanId, [artifact.digest]));
    await deletion;
    expect(await use).toEqual(new Map());
  });

  test("uploads that nobody goes on with are given up, their bytes promised to nobody, and their chunks deleted in parts", async () => {
    const [old, young] = [
      anUpload({ digest: digestNr(6), expiresMs: 1 }),
      anUpload({ digest: digestNr(7), sizeBytes: 7 }),
    ];
    const before = await it.store.transaction([orgId], async (tx) => {
      const account = await tx.artifacts.lockAccount(orgId);
      const promisedBytes = account.promisedBytes + old.sizeBytes + young.sizeBytes;
      await tx.artifacts.saveAccount(orgId, { ...account, promisedBytes });
      for (const upload of [old, young]) await tx.artifacts.addUpload(upload);
      for (let place = 0; place < 150; place++)
        await tx.artifacts.addChunk(orgId, old.uploadId, place, Buffer.from(`chunk ${place}`));
      await tx.artifacts.addChunk(orgId, young.uploadId, 0, Buffer.from("abc"));
      return account;
    });
    // Two servers look at once.
    const swept = await Promise.all([sweepArtifacts(it.store, () => session), sweepArtifacts(it.store, () => session)]);
    expect(swept.reduce((sum, { uploads }) => sum + uploads, 0)).toBe(1);
    expect(await chunksOf(old.uploadId)).toBe(0);
    expect(await chunksOf(young.uploadId)).toBe(1);
    await it.store.transaction([orgId], async (tx) => {
      expect(await tx.artifacts.findUpload(orgId, old.uploadId)).toBeUndefined();
      expect(await tx.artifacts.findUpload(orgId, young.uploadId)).toEqual(young);
      const after = await tx.artifacts.lockAccount(orgId);
      expect(after.promisedBytes).toBe(before.promisedBytes + young.sizeBytes);
    });
    expect(await it.store.platform.wastedContents(10)).toEqual([]);
    const records = await asAdmin(
      it.database.adminUrl,
      (sql) => sql`SELECT body FROM maestro.journal WHERE session_id = ${session} AND kind = 'artifact.upload_expired'`,
    );
    expect(records).toHaveLength(1);
  });

  test("a removed artifact's content is swept; that of another is left alone", async () => {
    const [gone, kept] = [anArtifact({ digest: digestNr(8) }), anArtifact({ digest: digestNr(9) })];
    await it.store.transaction([orgId], async (tx) => {
      for (const artifact of [gone, kept]) {
        await tx.artifacts.add(artifact);
        await tx.artifacts.addChunk(orgId, artifact.contentId, 0, Buffer.from("abc"));
      }
      await tx.artifacts.remove(gone, 1);
    });
    await sweepArtifacts(it.store, () => session);
    expect([await chunksOf(gone.contentId), await chunksOf(kept.contentId)]).toEqual([0, 1]);
  });

  describe("the database", () => {
    let sql: postgres.Sql;
    const contentId = newId() as UploadId;
    beforeAll(async () => {
      const { orgId: large } = await addOrg(it.store);
      await asAdmin(it.database.adminUrl, async (admin) => {
        for (const org of [orgId, large]) {
          await admin`INSERT INTO maestro.artifacts (org_id, digest, size_bytes, content_type, name, created_ms, created_by, content_id, chunk_bytes)
            SELECT ${org}, 'sha256:' || lpad(to_hex(n + 1000), 64, '0'), 1, '', '', n, '', gen_random_uuid(), 65536 FROM generate_series(1, 2000) n`;
          await admin`INSERT INTO maestro.artifact_uploads (org_id, upload_id, principal, digest, size_bytes, chunk_bytes, content_type, name, created_ms, expires_ms)
            SELECT ${org}, gen_random_uuid(), 'p' || n, ${digestNr(1)}, 1, 65536, '', '', 1, 9000000000000 + n FROM generate_series(1, 1000) n`;
          await admin`INSERT INTO maestro.artifact_waste (org_id, content_id, since_ms) SELECT ${org}, gen_random_uuid(), n FROM generate_series(1, 1000) n`;
          await admin`INSERT INTO maestro.artifact_uses (org_id, digest, plan_id) SELECT ${org}, ${digestNr(1)}, gen_random_uuid() FROM generate_series(1, 1000) n`;
        }
        await admin`INSERT INTO maestro.artifact_chunks (org_id, content_id, place, data) SELECT ${orgId}, ${contentId}, n, 'x' FROM generate_series(0, 1999) n`;
        await admin`INSERT INTO maestro.artifact_chunks (org_id, content_id, place, data) SELECT ${orgId}, gen_random_uuid(), 0, 'x' FROM generate_series(0, 1999) n`;
        await admin`ANALYZE`;
      });
      sql = postgres(it.database.url, { max: 1 });
    });
    afterAll(() => sql.end());

    const last = digestNr(500_000);
    const statements: Readonly<Record<string, readonly [string, readonly string[], readonly string[]]>> = {
      find: ["find", [digestNr(1500)], ["artifacts_pkey"]],
      "list from the beginning": ["list", ["5"], ["artifacts_by_time"]],
      "list from a page on": ["listAfter", ["5", "1000", last], ["artifacts_by_time"]],
      holdForUse: ["holdForUse", [digestNr(1500)], ["artifacts_pkey"]],
      openUse: ["openUse", [digestNr(1)], ["artifact_uses_pkey", "plans_pkey"]],
      findUpload: ["findUpload", [contentId], ["artifact_uploads_pkey"]],
      findUploadOf: ["findUploadOf", ["p7", digestNr(1)], ["artifact_uploads_org_id_principal_digest_key"]],
      findBroughtBy: ["findBroughtBy", [contentId], ["artifacts_by_content"]],
      chunk: ["chunk", [contentId, "77"], ["artifact_chunks_pkey"]],
      part: ["part", [contentId, "77", "0", "1"], ["artifact_chunks_pkey"]],
      received: ["received", [contentId], ["artifact_chunks_pkey"]],
      gaps: ["gaps", [contentId, "2000"], ["artifact_chunks_pkey"]],
      sweepChunks: ["sweepChunks", [contentId, "64"], ["artifact_chunks_pkey", "artifact_chunks_pkey"]],
    };
    test.each(Object.keys(statements))("%s goes along its index, and reads no more than it gives", async (name) => {
      const [statement, parameters, expected] = statements[name] ?? ["", [], []];
      const text = (ARTIFACTS as Readonly<Record<string, string>>)[statement] ?? "";
      const nodes = await planOf(sql, [orgId], text, [orgId, ...parameters]);
      expect(indexes(nodes).toSorted()).toEqual(expected);
      expect(scanned(nodes)).toEqual([]);
      const walks = nodes.filter((node) => node["Index Name"] !== undefined);
      expect(walks.every((node) => (node["Rows Removed by Filter"] ?? 0) === 0)).toBe(true);
    });

    test.each([
      ["expiredUploads", "artifact_uploads_expiry"],
      ["wastedContents", "artifact_waste_by_age"],
    ] as const)("%s walk along %s", async (scan, index) => {
      const nodes = await planOf(sql, [], `${seeing({ prepare: true, lockMs: 0 })}${SCANS[scan]}`, [50]);
      expect(indexes(nodes)).toEqual([index]);
      expect(scanned(nodes)).toEqual([]);
      expect(nodes.some((node) => node["Node Type"] === "Sort")).toBe(false);
    });
  });
});
