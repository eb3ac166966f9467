// Live leases: what they hold, how they are named, whether a number is the current one. Not here: how they begin and end.
import { NOTHING } from "../amounts.ts";
import type { Amounts } from "../amounts.ts";
import type { LeaseRef } from "../outcome.ts";
import type { StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";

/** What is held while an attempt runs; undoing must not be kept by a budget that doing has used up. */
export function holdOf(row: StepRow, undoing = row.undoing): Amounts {
  return undoing ? NOTHING : row.hold;
}

export function leaseOf(draft: PlanDraft, row: StepRow): LeaseRef {
  return { planId: draft.plan.planId, step: row.key, ordinal: row.ordinal, fencing: row.fencing };
}

/** Whether a row is leased under exactly this number; whatever ends a lease checks it first. */
export function isLive(row: StepRow | undefined, fencing: number): row is StepRow {
  return row !== undefined && (row.state === "LEASED" || row.state === "STOPPING") && row.fencing === fencing;
}
