// Records: the journal per org and server session, and one sequence per plan. Never updated. Not here: statements.
import { bigint, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId, PlanId, RecordId, SessionId } from "../../../domain/id.ts";
import { bytes, maestro } from "./maestro.ts";

export const journal = maestro.table(
  "journal",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    sessionId: uuid("session_id").$type<SessionId>().notNull(),
    seq: bigint("seq", { mode: "number" }).notNull(),
    recordId: uuid("record_id").$type<RecordId>().notNull(),
    kind: text("kind").notNull(),
    atMs: bigint("at_ms", { mode: "number" }).notNull(),
    /** RFC 8785 text; the leaf commits to it, to the body and to what may be redacted apart. */
    header: text("header").notNull(),
    body: text("body").notNull(),
    payloadCommitment: bytes("payload_commitment"),
    headerSalt: bytes("header_salt").notNull(),
    bodySalt: bytes("body_salt").notNull(),
    leaf: bytes("leaf").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.sessionId, t.seq] })],
);

export const records = maestro.table(
  "records",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    seq: bigint("seq", { mode: "number" }).notNull(),
    recordId: uuid("record_id").$type<RecordId>().notNull(),
    kind: text("kind").notNull(),
    atMs: bigint("at_ms", { mode: "number" }).notNull(),
    /** RFC 8785 text; the leaf commits to it, to the body and to what may be redacted apart. */
    header: text("header").notNull(),
    body: text("body").notNull(),
    payloadCommitment: bytes("payload_commitment"),
    headerSalt: bytes("header_salt").notNull(),
    bodySalt: bytes("body_salt").notNull(),
    leaf: bytes("leaf").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.seq] })],
);
