// Stage 8: what a call leaves behind: journal records of effects and deciding refusals. Not here: counted refusals, see admissions.ts.
import { ID_PREFIX } from "../domain/id.ts";
import type { RecordId, SessionId } from "../domain/id.ts";
import type { Principal } from "../domain/principal.ts";
import type { RecordDraft, StageNotes, StoredRecord } from "../domain/record.ts";
import type { Refusal } from "../domain/refusal.ts";
import type { Tx } from "../store/ports/store.ts";
import { typeidOf } from "../support/typeid.ts";
import type { MethodSpec } from "./operation.ts";

export function recordUri(recordId: RecordId): string {
  return `max://record/${typeidOf(ID_PREFIX.record, recordId)}`;
}

/** An effect's record, with what the stages before had to say. */
export function effectDraft(draft: RecordDraft, notes: StageNotes): RecordDraft {
  return { ...draft, body: { ...draft.body, stages: notes } };
}

/** A deciding refusal's record. */
export function refusalDraft(
  principal: Principal,
  method: MethodSpec,
  { reason, stage, rule, explanation, metadata, lifter }: Refusal,
  notes: StageNotes,
): RecordDraft {
  return {
    kind: `${method.parts[0]?.operation ?? method.method}.refused`,
    actor: principal.name,
    body: { reason, stage, rule, explanation, metadata, lifter, stages: notes },
  };
}

/** A refusal with the name of its record. */
export function recordedAs(refusal: Refusal, stored: Pick<StoredRecord, "recordId"> | undefined): Refusal {
  return stored === undefined ? refusal : { ...refusal, recordUri: recordUri(stored.recordId) };
}

/** Writes an effect's record into the journal of its org. */
export async function recordEffect(
  tx: Tx,
  principal: Principal,
  sessionId: SessionId,
  draft: RecordDraft,
  notes: StageNotes,
): Promise<void> {
  await tx.records.appendJournal(principal.orgId, sessionId, [effectDraft(draft, notes)], await tx.nowMs());
}

/** Writes a deciding refusal into the journal; returns it with the record's name. */
export async function recordRefusal(
  tx: Tx,
  principal: Principal,
  sessionId: SessionId,
  method: MethodSpec,
  refusal: Refusal,
  notes: StageNotes,
): Promise<Refusal> {
  const draft = refusalDraft(principal, method, refusal, notes);
  const [stored] = await tx.records.appendJournal(principal.orgId, sessionId, [draft], await tx.nowMs());
  return recordedAs(refusal, stored);
}
