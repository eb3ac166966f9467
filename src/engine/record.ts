// Stage 8: what a call leaves behind: journal records of effects and deciding refusals. Not here: counted refusals, see admissions.ts.
import { ID_PREFIX } from "../domain/id.ts";
import type { RecordId, SessionId } from "../domain/id.ts";
import type { Principal } from "../domain/principal.ts";
import type { RecordDraft, StageNotes } from "../domain/record.ts";
import type { Refusal } from "../domain/refusal.ts";
import type { Tx } from "../store/ports/store.ts";
import { typeidOf } from "../support/typeid.ts";
import type { MethodSpec } from "./operation.ts";

export function recordUri(recordId: RecordId): string {
  return `max://record/${typeidOf(ID_PREFIX.record, recordId)}`;
}

/** Writes an effect's record into the journal of its org. */
export async function recordEffect(
  tx: Tx,
  principal: Principal,
  sessionId: SessionId,
  draft: RecordDraft,
  notes: StageNotes,
): Promise<void> {
  const nowMs = await tx.nowMs();
  await tx.records.appendJournal(
    principal.orgId,
    sessionId,
    [{ ...draft, body: { ...draft.body, stages: notes } }],
    nowMs,
  );
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
  const { reason, stage, rule, explanation, metadata, lifter } = refusal;
  const draft: RecordDraft = {
    kind: `${method.parts[0]?.operation ?? method.method}.refused`,
    actor: principal.name,
    body: { reason, stage, rule, explanation, metadata, lifter, stages: notes },
  };
  const [stored] = await tx.records.appendJournal(principal.orgId, sessionId, [draft], await tx.nowMs());
  return stored === undefined ? refusal : { ...refusal, recordUri: recordUri(stored.recordId) };
}
