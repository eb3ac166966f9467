// The terms that the invariants of plans are written in, said in the plainest way. Not here: the invariants.
import { hasEnded, has, STEP_FLAGS } from "../../src/domain/step.ts";
import type { StepRow } from "../../src/domain/step.ts";

export function must(holds: boolean, what: string, ...about: readonly unknown[]): void {
  if (!holds) throw new Error([what, ...about.map((a) => JSON.stringify(a))].join(" "));
}

export function isLeased(row: StepRow): boolean {
  return row.state === "LEASED" || row.state === "STOPPING";
}

/** Being undone comes after its end, unless somebody waits for that. */
export function isOver(row: StepRow): boolean {
  if (!has(row.flags, STEP_FLAGS.UNDO_FIRST)) return row.undoing || hasEnded(row.state);
  const unsettled = ["SUCCEEDED", "COMPENSATING", "COMPENSATION_FAILED"].includes(row.state);
  return hasEnded(row.state) && !unsettled;
}

/** Written in the plainest way again: the domain's own may be wrong. */
export function letsGo(parent: StepRow, regardless: boolean): boolean {
  if (regardless || parent.state === "SUCCEEDED") return true;
  return (parent.state === "FAILED" || parent.state === "REFUSED") && has(parent.flags, STEP_FLAGS.CARRY_ON);
}
