// Running a done step again. Not here: failed steps that are tried again on their row (revive.ts), and the rows that take the
// old ones' places (operations/step-rerun.ts works them out as a re-plan does).
import { isOver } from "../step.ts";
import type { StepRow, StepState } from "../step.ts";
import type { PlanRow } from "../plan.ts";
import { replaceRows } from "./activation.ts";
import type { Replacement } from "./activation.ts";
import type { PlanDraft } from "./draft.ts";
import { allows } from "./ready.ts";
import { conflict, stillCascading } from "./verb.ts";
import type { Verdict } from "./verb.ts";

/** Ended by itself, and not undone. */
const DONE: ReadonlySet<StepState> = new Set(["SUCCEEDED", "FAILED", "REFUSED", "SKIPPED", "CANCELLED"]);

/** Effects of a plan were undone, so that its steps no longer add up: `undoing` rows and those that came of it. */
export function wasUndone(rows: readonly StepRow[]): boolean {
  return rows.some((row) => row.undoing || row.state === "COMPENSATED" || row.state === "COMPENSATION_FAILED");
}

/**
 * Whether a step can run again, as far as plan and rows say; `rows` are the current ones.
 *
 * A step that runs again is the same definition with another effective input, so the rules are those of a re-plan whose version
 * changed that one step. It gets a new row under its key; its old row is dropped, and its effect undone if it declared how (before
 * the new run, as a re-plan does, or beside it: see README.md), or said to be left. What had not begun waits anew; so does what was
 * skipped after it. What succeeded, or runs, and consumed its outputs is stale: it stays and is named, or with `cascade` gets a new row as well, and so on down the graph. Steps that only
 * waited for it, without taking a value, are none of its consumers and stay. Attempts take their holds from what the budget has
 * left, as all do. A plan that ended runs again only where a retry could bring it back: it failed, and nothing of it was undone.
 */
export function mayRerun(plan: PlanRow, row: StepRow, rows: readonly StepRow[]): Verdict {
  if (plan.ending !== null || (plan.state !== "ACTIVE" && plan.state !== "SUSPENDED" && plan.state !== "FAILED"))
    return conflict(
      "plan",
      plan.planId,
      plan.ending ?? plan.state,
      "The plan has ended otherwise than by failing, or is ending.",
      plan.state === "COMPLETED" ? "Re-plan it with the step changed." : "",
    );
  if (wasUndone(rows))
    return conflict("plan", plan.planId, plan.state, "Effects of this plan were undone; re-plan it instead.");
  if (!DONE.has(row.state))
    return conflict(
      "step",
      row.key,
      row.state,
      `Step ${row.key} is ${row.state}: only a step that ended can run again.`,
    );
  return undefined;
}

/** What a step directly depends on. */
export interface Before {
  readonly row: StepRow;
  readonly regardless: boolean;
}

/** A step that would only be skipped again does not run: what it depends on, and stays, must allow it. */
export function mustNotWaitInVain(row: StepRow, before: readonly Before[]): Verdict {
  const parent = before.find((one) => isOver(one.row) && !allows(one.row, one.regardless));
  if (parent === undefined) return undefined;
  const { key, state } = parent.row;
  return conflict(
    "step",
    key,
    state,
    `Step ${row.key} depends on ${key}, which is ${state}.`,
    `Run ${key} again first, or re-plan.`,
  );
}

/** Whether the old effect must be undone before the new run begins. */
export type RerunOrder = "UNDO_FIRST" | "AT_ONCE";

/** What is said of a rerun; keys. */
export interface RerunStory {
  /** Steps that run again besides. */
  readonly rerun: readonly string[];
  /** Done or running steps that stay, and consumed what will be produced anew. */
  readonly stale: readonly string[];
  readonly compensated: readonly string[];
  /** Done effects that nothing undoes. */
  readonly notCompensable: readonly string[];
  readonly stopped: readonly string[];
}

/** Carries out a rerun that nothing spoke against; rows and edges are stored already. */
export function rerun(draft: PlanDraft, replacement: Replacement): Verdict {
  const no = stillCascading(draft);
  if (no === undefined) replaceRows(draft, replacement);
  return no;
}
