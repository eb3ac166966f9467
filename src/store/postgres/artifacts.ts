// Artifacts, uploads and chunks. Not here: what is swept when, see scans.ts for where it is found.
import type { ArtifactAccount, KeptArtifact, Upload } from "../../domain/artifact.ts";
import type { OrgId, PlanId, UploadId } from "../../domain/id.ts";
import type { ArtifactRepository, Gap } from "../ports/artifacts.ts";
import { arrayLiteral } from "./columns.ts";
import type { Session } from "./transaction.ts";

const ARTIFACT = "digest, size_bytes, content_type, name, created_ms, created_by, content_id, chunk_bytes";
const UPLOAD =
  "upload_id, principal, digest, size_bytes, chunk_bytes, content_type, name, created_ms, expires_ms FROM maestro.artifact_uploads WHERE org_id = $1";

/** Exported so that their plans can be looked at. */
export const ARTIFACTS = {
  makeAccount:
    "INSERT INTO maestro.artifact_accounts (org_id, kept_bytes, promised_bytes) VALUES ($1, 0, 0) ON CONFLICT DO NOTHING",
  /** Lock: the org's account. */
  lockAccount: "SELECT kept_bytes, promised_bytes FROM maestro.artifact_accounts WHERE org_id = $1 FOR UPDATE",
  saveAccount: "UPDATE maestro.artifact_accounts SET kept_bytes = $2, promised_bytes = $3 WHERE org_id = $1",
  find: `SELECT ${ARTIFACT} FROM maestro.artifacts WHERE org_id = $1 AND digest = $2`,
  /** Index: artifacts_by_content. */
  findBroughtBy: `SELECT ${ARTIFACT} FROM maestro.artifacts WHERE org_id = $1 AND content_id = $2`,
  /** Index: artifacts_by_time, whose predicate is named. */
  list: `SELECT ${ARTIFACT} FROM maestro.artifacts WHERE org_id = $1 AND created_ms >= 0 ORDER BY created_ms DESC, digest DESC LIMIT $2`,
  listAfter:
    `SELECT ${ARTIFACT} FROM maestro.artifacts WHERE org_id = $1 AND created_ms >= 0 AND (created_ms, digest) < ($3, $4) ` +
    "ORDER BY created_ms DESC, digest DESC LIMIT $2",
  add: `INSERT INTO maestro.artifacts (org_id, ${ARTIFACT}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
  remove: "DELETE FROM maestro.artifacts WHERE org_id = $1 AND digest = $2",
  removeUses: "DELETE FROM maestro.artifact_uses WHERE org_id = $1 AND digest = $2",
  /** Lock: the artifact's row, against its deletion; those who use it do not wait for each other. */
  holdForUse: "SELECT digest, size_bytes FROM maestro.artifacts WHERE org_id = $1 AND digest = $2 FOR KEY SHARE",
  /** A plan that does not exist uses nothing. */
  addUses:
    "INSERT INTO maestro.artifact_uses (org_id, digest, plan_id) SELECT p.org_id, v.digest, p.plan_id FROM maestro.plans p CROSS JOIN unnest($3::text[]) AS v(digest) " +
    "WHERE p.org_id = $1 AND p.plan_id = $2 ON CONFLICT DO NOTHING",
  openUse:
    "SELECT u.plan_id FROM maestro.artifact_uses u CROSS JOIN LATERAL (SELECT 1 FROM maestro.plans p WHERE p.org_id = u.org_id AND p.plan_id = u.plan_id AND p.finished_ms IS NULL OFFSET 0) o " +
    "WHERE u.org_id = $1 AND u.digest = $2 ORDER BY u.plan_id LIMIT 1",
  findUpload: `SELECT ${UPLOAD} AND upload_id = $2`,
  findUploadOf: `SELECT ${UPLOAD} AND principal = $2 AND digest = $3`,
  addUpload:
    "INSERT INTO maestro.artifact_uploads (org_id, upload_id, principal, digest, size_bytes, chunk_bytes, content_type, name, created_ms, expires_ms) " +
    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
  extendUpload: "UPDATE maestro.artifact_uploads SET expires_ms = $3 WHERE org_id = $1 AND upload_id = $2",
  endUpload: "DELETE FROM maestro.artifact_uploads WHERE org_id = $1 AND upload_id = $2",
  addWaste:
    "INSERT INTO maestro.artifact_waste (org_id, content_id, since_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
  /** The driver sends bytes as text in any case; in hexadecimal they would be half as long again. */
  addChunk:
    "INSERT INTO maestro.artifact_chunks (org_id, content_id, place, data) VALUES ($1, $2, $3, decode($4, 'base64')) ON CONFLICT DO NOTHING RETURNING 1",
  sameChunk:
    "SELECT data = decode($4, 'base64') AS same FROM maestro.artifact_chunks WHERE org_id = $1 AND content_id = $2 AND place = $3",
  chunk: "SELECT data FROM maestro.artifact_chunks WHERE org_id = $1 AND content_id = $2 AND place = $3",
  /** Stored as it is, so that only the pages of the part are read. */
  part: "SELECT substring(data FROM $4::integer + 1 FOR $5::integer) AS data FROM maestro.artifact_chunks WHERE org_id = $1 AND content_id = $2 AND place = $3",
  /** Of the bytes only their number is read. */
  received:
    "SELECT coalesce(sum(octet_length(data)), 0)::bigint AS bytes FROM maestro.artifact_chunks WHERE org_id = $1 AND content_id = $2",
  /** Between each chunk that is there and the next, and before the first and after the last. */
  gaps:
    "SELECT c.place + 1 AS from, c.next AS to FROM (SELECT x.place, lead(x.place, 1, $3::integer) OVER (ORDER BY x.place) AS next FROM " +
    "(SELECT -1 AS place UNION ALL SELECT k.place FROM maestro.artifact_chunks k WHERE k.org_id = $1 AND k.content_id = $2) x) c " +
    "WHERE c.next > c.place + 1 ORDER BY c.place LIMIT 100",
  sweepChunks:
    "DELETE FROM maestro.artifact_chunks WHERE org_id = $1 AND content_id = $2 AND place IN " +
    "(SELECT k.place FROM maestro.artifact_chunks k WHERE k.org_id = $1 AND k.content_id = $2 ORDER BY k.place LIMIT $3) RETURNING 1",
  endWaste: "DELETE FROM maestro.artifact_waste WHERE org_id = $1 AND content_id = $2",
} as const;

interface RawArtifact {
  readonly digest: string;
  readonly size_bytes: number;
  readonly content_type: string;
  readonly name: string;
  readonly created_ms: number;
  readonly created_by: string;
  readonly content_id: string;
  readonly chunk_bytes: number;
}
interface RawUpload extends Omit<RawArtifact, "created_by" | "content_id"> {
  readonly upload_id: string;
  readonly principal: string;
  readonly expires_ms: number;
}

const artifactOf = (orgId: OrgId, raw: RawArtifact): KeptArtifact => ({
  orgId,
  digest: raw.digest,
  sizeBytes: raw.size_bytes,
  contentType: raw.content_type,
  name: raw.name,
  createdMs: raw.created_ms,
  createdBy: raw.created_by,
  contentId: raw.content_id as UploadId,
  chunkBytes: raw.chunk_bytes,
});

const uploadOf = (orgId: OrgId, raw: RawUpload): Upload => ({
  orgId,
  uploadId: raw.upload_id as UploadId,
  principal: raw.principal,
  digest: raw.digest,
  sizeBytes: raw.size_bytes,
  chunkBytes: raw.chunk_bytes,
  contentType: raw.content_type,
  name: raw.name,
  createdMs: raw.created_ms,
  expiresMs: raw.expires_ms,
});

export function createArtifactRepository({ run, send }: Session): ArtifactRepository {
  const artifact = async (orgId: OrgId, digest: string, tail = ""): Promise<KeptArtifact | undefined> => {
    const [row] = await run<RawArtifact>(`${ARTIFACTS.find}${tail}`, [orgId, digest]);
    return row === undefined ? undefined : artifactOf(orgId, row);
  };
  const upload = async (orgId: OrgId, text: string, ...by: readonly string[]): Promise<Upload | undefined> => {
    const [row] = await run<RawUpload>(text, [orgId, ...by]);
    return row === undefined ? undefined : uploadOf(orgId, row);
  };
  return {
    lockAccount: async (orgId) => {
      send(ARTIFACTS.makeAccount, [orgId]);
      const [row] = await run<{ kept_bytes: number; promised_bytes: number }>(ARTIFACTS.lockAccount, [orgId]);
      if (row === undefined) throw new Error("an account that was just made is gone");
      return { keptBytes: row.kept_bytes, promisedBytes: row.promised_bytes } satisfies ArtifactAccount;
    },
    saveAccount: async (orgId, { keptBytes, promisedBytes }) => {
      send(ARTIFACTS.saveAccount, [orgId, keptBytes, promisedBytes]);
    },
    find: (orgId, digest) => artifact(orgId, digest),
    findBroughtBy: async (orgId, uploadId) => {
      const [row] = await run<RawArtifact>(ARTIFACTS.findBroughtBy, [orgId, uploadId]);
      return row === undefined ? undefined : artifactOf(orgId, row);
    },
    list: async (orgId, { limit, after }) => {
      const [ms, digest] = (after ?? []) as [number?, string?];
      const rows =
        ms === undefined || digest === undefined
          ? await run<RawArtifact>(ARTIFACTS.list, [orgId, limit])
          : await run<RawArtifact>(ARTIFACTS.listAfter, [orgId, limit, ms, digest]);
      return rows.map((row) => artifactOf(orgId, row));
    },
    add: async (a) => {
      const { orgId, digest, sizeBytes, contentType, name, createdMs, createdBy, contentId, chunkBytes } = a;
      const values = [digest, sizeBytes, contentType, name, createdMs, createdBy, contentId, chunkBytes];
      send(ARTIFACTS.add, [orgId, ...values]);
    },
    lock: (orgId, digest) => artifact(orgId, digest, " FOR UPDATE"),
    remove: async ({ orgId, digest, contentId }, nowMs) => {
      send(ARTIFACTS.remove, [orgId, digest]);
      send(ARTIFACTS.removeUses, [orgId, digest]);
      send(ARTIFACTS.addWaste, [orgId, contentId, nowMs]);
    },
    use: async (orgId, planId, digests) => {
      const sorted = [...new Set(digests)].sort();
      const held = await Promise.all(
        sorted.map((digest) => run<{ digest: string; size_bytes: number }>(ARTIFACTS.holdForUse, [orgId, digest])),
      );
      const there = new Map(held.flatMap((rows) => rows.map((row) => [row.digest, row.size_bytes] as const)));
      if (there.size > 0) send(ARTIFACTS.addUses, [orgId, planId, arrayLiteral("text", [...there.keys()])]);
      return there;
    },
    openUse: async (orgId, digest) => {
      const [row] = await run<{ plan_id: string }>(ARTIFACTS.openUse, [orgId, digest]);
      return row?.plan_id as PlanId | undefined;
    },
    findUpload: (orgId, uploadId) => upload(orgId, ARTIFACTS.findUpload, uploadId),
    lockUpload: (orgId, uploadId, how) =>
      upload(orgId, `${ARTIFACTS.findUpload} ${how === "share" ? "FOR KEY SHARE" : "FOR UPDATE"}`, uploadId),
    findUploadOf: (orgId, principal, digest) => upload(orgId, ARTIFACTS.findUploadOf, principal, digest),
    addUpload: async (u) => {
      const { orgId, uploadId, principal, digest, sizeBytes, chunkBytes, contentType, name, createdMs, expiresMs } = u;
      const values = [principal, digest, sizeBytes, chunkBytes, contentType, name, createdMs, expiresMs];
      send(ARTIFACTS.addUpload, [orgId, uploadId, ...values]);
    },
    extendUpload: async (orgId, uploadId, expiresMs) => {
      send(ARTIFACTS.extendUpload, [orgId, uploadId, expiresMs]);
    },
    endUpload: async (orgId, uploadId, content, nowMs) => {
      send(ARTIFACTS.endUpload, [orgId, uploadId]);
      if (content === "dropped") send(ARTIFACTS.addWaste, [orgId, uploadId, nowMs]);
    },
    addChunk: async (orgId, contentId, place, data) => {
      const text = Buffer.from(data.buffer, data.byteOffset, data.length).toString("base64");
      const added = await run(ARTIFACTS.addChunk, [orgId, contentId, place, text]);
      if (added.length === 1) return "added";
      const [row] = await run<{ same: boolean }>(ARTIFACTS.sameChunk, [orgId, contentId, place, text]);
      return row?.same === true ? "same" : "other";
    },
    chunk: async (orgId, contentId, place) => {
      const [row] = await run<{ data: Uint8Array }>(ARTIFACTS.chunk, [orgId, contentId, place]);
      return row?.data;
    },
    part: async (orgId, contentId, place, offset, length) => {
      const [row] = await run<{ data: Uint8Array }>(ARTIFACTS.part, [orgId, contentId, place, offset, length]);
      return row?.data;
    },
    received: async (orgId, contentId, chunks) => {
      const [[sum], gaps] = await Promise.all([
        run<{ bytes: number }>(ARTIFACTS.received, [orgId, contentId]),
        run<Gap>(ARTIFACTS.gaps, [orgId, contentId, chunks]),
      ]);
      return { bytes: sum?.bytes ?? 0, gaps };
    },
    sweep: async (orgId, contentId, limit) => {
      const gone = await run(ARTIFACTS.sweepChunks, [orgId, contentId, limit]);
      if (gone.length === limit) return false;
      send(ARTIFACTS.endWaste, [orgId, contentId]);
      return true;
    },
  };
}
