// The journal per org and server session, and reading a plan's records. Not here: writing those, see write-changes.ts.
import type { IdMaker, OrgId, PlanId, RecordId, SessionId } from "../../domain/id.ts";
import { RECORD_SALT_BYTES, storeRecord } from "../../domain/record.ts";
import type { StoredRecord } from "../../domain/record.ts";
import type { Random } from "../../support/random.ts";
import type { RecordRepository } from "../ports/records.ts";
import { arraysOf, hexOf, insertText } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import type { Session } from "./transaction.ts";

interface Entry {
  readonly orgId: OrgId;
  readonly sessionId: SessionId;
  readonly record: StoredRecord;
}

const JOURNAL: readonly BulkColumn<Entry>[] = [
  { name: "org_id", type: "uuid", value: (e) => e.orgId },
  { name: "session_id", type: "uuid", value: (e) => e.sessionId },
  { name: "seq", type: "bigint", value: (e) => e.record.seq },
  { name: "record_id", type: "uuid", value: (e) => e.record.recordId },
  { name: "kind", type: "text", value: (e) => e.record.kind },
  { name: "at_ms", type: "bigint", value: (e) => e.record.atMs },
  { name: "header", type: "text", value: (e) => e.record.header },
  { name: "body", type: "text", value: (e) => e.record.body },
  { name: "payload_commitment", type: "bytea", value: (e) => e.record.payloadCommitment },
  { name: "header_salt", type: "bytea", value: (e) => e.record.headerSalt },
  { name: "body_salt", type: "bytea", value: (e) => e.record.bodySalt },
  { name: "leaf", type: "bytea", value: (e) => e.record.leaf },
];
const ADD = insertText("journal", JOURNAL);

interface RawRecord {
  readonly seq: number;
  readonly record_id: string;
  readonly kind: string;
  readonly at_ms: number;
  readonly header: string;
  readonly body: string;
  readonly payload_commitment: Uint8Array | null;
  readonly header_salt: Uint8Array;
  readonly body_salt: Uint8Array;
  readonly leaf: Uint8Array;
}

export interface RecordMakers {
  readonly ids: IdMaker;
  readonly random: Random;
}

export function createRecordRepository({ run, send }: Session, { ids, random }: RecordMakers): RecordRepository {
  return {
    appendJournal: async (orgId, sessionId, drafts, nowMs) => {
      if (drafts.length === 0) return [];
      // Gapless: one appender at a time, until its transaction ends. The two go out together; the number is read after the lock.
      const [, [last]] = await Promise.all([
        run("SELECT pg_advisory_xact_lock(hashtextextended($1, 2))", [`journal ${orgId} ${sessionId}`]),
        run<{ seq: number }>(
          "SELECT coalesce(max(seq), 0) AS seq FROM maestro.journal WHERE org_id = $1 AND session_id = $2",
          [orgId, sessionId],
        ),
      ]);
      const before = last?.seq ?? 0;
      const records = drafts.map((draft, i) =>
        storeRecord(
          draft,
          { orgId, stream: sessionId, seq: before + 1 + i, atMs: nowMs },
          ids.uuid() as RecordId,
          random.bytes(RECORD_SALT_BYTES),
        ),
      );
      send(
        ADD,
        arraysOf(
          JOURNAL,
          records.map((record) => ({ orgId, sessionId, record })),
        ),
      );
      return records;
    },
    ofPlan: async (orgId: OrgId, planId: PlanId, afterSeq, limit) => {
      const rows = await run<RawRecord>(
        "SELECT seq, record_id, kind, at_ms, header, body, payload_commitment, header_salt, body_salt, leaf FROM maestro.records " +
          "WHERE org_id = $1 AND plan_id = $2 AND seq > $3 ORDER BY seq LIMIT $4",
        [orgId, planId, afterSeq, limit],
      );
      return rows.map(recordOf);
    },
  };
}

function recordOf(raw: RawRecord): StoredRecord {
  return {
    recordId: raw.record_id as RecordId,
    seq: raw.seq,
    kind: raw.kind,
    atMs: raw.at_ms,
    header: raw.header,
    body: raw.body,
    payloadCommitment: hexOf(raw.payload_commitment),
    headerSalt: hexOf(raw.header_salt),
    bodySalt: hexOf(raw.body_salt),
    leaf: hexOf(raw.leaf),
  };
}
