// Short words for what operations return: something read, or written with a record in the org's journal.
import type { Done } from "../engine/operation.ts";
import { decided } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { RecordDraft } from "../domain/record.ts";

/** Nothing was changed. */
export function read<T>(value: T): Decision<Done<T>> {
  return decided({ value, recordId: null });
}

/** Something without a plan's stream was changed; the engine writes the record to the journal. */
export function journaled<T>(
  value: T,
  journal: RecordDraft,
  more: Partial<Pick<Done<T>, "afterCommit" | "wake">> = {},
): Decision<Done<T>> {
  return decided({ value, recordId: null, journal, ...more });
}
