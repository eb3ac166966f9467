// Answers of writes, kept under the keys of their callers. Not here: statements.
import { bigint, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId } from "../../../domain/id.ts";
import { bytes, maestro } from "./maestro.ts";

export const idempotencyKeys = maestro.table(
  "idempotency_keys",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    principal: text("principal").notNull(),
    key: text("key").notNull(),
    operation: text("operation").notNull(),
    /** SHA-256 of the request without its key. */
    bodyDigest: bytes("body_digest").notNull(),
    /** The answer, or else the final refusal; both null while the call runs. */
    answer: bytes("answer"),
    refusal: text("refusal"),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    expiresMs: bigint("expires_ms", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.principal, t.key] })],
);
