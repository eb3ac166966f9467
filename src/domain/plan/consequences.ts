// What the end of an attempt sets in motion: dependents, the end of the plan, its undoing. Not here: the attempt's own state.
import { has, hasEnded, isOver, STEP_FLAGS } from "../step.ts";
import { isCompensable } from "./draft.ts";
import type { PlanDraft } from "./draft.ts";
import { beginEnding, maybeFinish, undoNext } from "./ending.ts";
import { failsPlan } from "./failure.ts";
import type { FailureResult } from "./failure.ts";
import { unpark } from "./queue.ts";
import { settleDependents } from "./ready.ts";

/** What the end of an attempt sets in motion, once its attempt and record are written. */
export function afterAttempt(draft: PlanDraft, ordinal: number, result: FailureResult, message: string): void {
  const row = draft.step(ordinal);
  const { plan } = draft;
  if (
    result === "ended" &&
    !row.undoing &&
    row.current &&
    plan.ending === null &&
    (row.state === "FAILED" || row.state === "REFUSED")
  ) {
    if (failsPlan(draft.definition(ordinal))) {
      // A refusal is not a failed effect: nothing is undone because of it.
      const word = row.state === "REFUSED" ? "was refused" : "failed";
      beginEnding(draft, "FAILED", `step ${row.key} ${word}: ${message}`, row.state === "FAILED");
    }
  }
  if (row.undoing && (row.state === "COMPENSATED" || row.state === "COMPENSATION_FAILED")) {
    undoNext(draft);
    letSuccessorGo(draft, ordinal);
  } else if (!row.undoing && hasEnded(row.state) && isOver(row)) settleDependents(draft, [ordinal]);
  // A done row that a re-plan dropped, or that ended while the plan is being undone, is undone as well.
  if (row.state === "SUCCEEDED" && !row.current && isCompensable(row)) undoNext(draft);
  if (plan.stepsStarved > 0 && plan.ending === null && plan.state === "ACTIVE") unpark(draft, 16);
  maybeFinish(draft);
}

/** An effect that had to be undone first is undone: whatever came under its key waits for one less. */
export function letSuccessorGo(draft: PlanDraft, ordinal: number): void {
  const row = draft.step(ordinal);
  if (has(row.flags, STEP_FLAGS.UNDO_FIRST) && row.undoing && isOver(row)) settleDependents(draft, [ordinal]);
}
