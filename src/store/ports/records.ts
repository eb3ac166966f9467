// Records in the store: a gapless sequence per plan (written with its changes), and a journal per org and server session.
import type { OrgId, PlanId, SessionId } from "../../domain/id.ts";
import type { RecordDraft, StoredRecord } from "../../domain/record.ts";

export interface RecordRepository {
  /** Appends to the journal of the org and this server's session; the store gives place, id and leaf. */
  appendJournal(
    orgId: OrgId,
    sessionId: SessionId,
    drafts: readonly RecordDraft[],
    nowMs: number,
  ): Promise<readonly StoredRecord[]>;
  /** Records of a plan after a sequence, in order. */
  ofPlan(orgId: OrgId, planId: PlanId, afterSeq: number, limit: number): Promise<readonly StoredRecord[]>;
}
