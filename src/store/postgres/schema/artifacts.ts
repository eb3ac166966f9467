// Artifacts, uploads and what they take. Not here: statements.
import { bigint, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId, PlanId, UploadId } from "../../../domain/id.ts";
import { bytes, maestro } from "./maestro.ts";

export const artifactAccounts = maestro.table("artifact_accounts", {
  orgId: uuid("org_id").$type<OrgId>().primaryKey(),
  /** Bytes of the org's artifacts. */
  keptBytes: bigint("kept_bytes", { mode: "number" }).notNull(),
  /** Declared bytes of its uploads under way. */
  promisedBytes: bigint("promised_bytes", { mode: "number" }).notNull(),
});

export const artifacts = maestro.table(
  "artifacts",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    /** `sha256:` and 64 digits in lower case. */
    digest: text("digest").notNull(),
    sizeBytes: bigint("size_bytes", { mode: "number" }).notNull(),
    contentType: text("content_type").notNull(),
    name: text("name").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    createdBy: text("created_by").notNull(),
    /** The upload that its chunks came with. */
    contentId: uuid("content_id").$type<UploadId>().notNull(),
    chunkBytes: integer("chunk_bytes").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.digest] })],
);

export const artifactUploads = maestro.table(
  "artifact_uploads",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    uploadId: uuid("upload_id").$type<UploadId>().notNull(),
    principal: text("principal").notNull(),
    digest: text("digest").notNull(),
    sizeBytes: bigint("size_bytes", { mode: "number" }).notNull(),
    chunkBytes: integer("chunk_bytes").notNull(),
    contentType: text("content_type").notNull(),
    name: text("name").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    expiresMs: bigint("expires_ms", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.uploadId] })],
);

export const artifactChunks = maestro.table(
  "artifact_chunks",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    contentId: uuid("content_id").$type<UploadId>().notNull(),
    /** From 0, in the order of the content. */
    place: integer("place").notNull(),
    data: bytes("data").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.contentId, t.place] })],
);

export const artifactUses = maestro.table(
  "artifact_uses",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    digest: text("digest").notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.digest, t.planId] })],
);

export const artifactWaste = maestro.table(
  "artifact_waste",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    contentId: uuid("content_id").$type<UploadId>().notNull(),
    sinceMs: bigint("since_ms", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.contentId] })],
);
