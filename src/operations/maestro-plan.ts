// Refines and commits in one transaction, by the same functions as the two operations.
import type { Operation } from "../engine/operation.ts";
import type { GraphVersion } from "../domain/graph.ts";
import type { GoalView } from "../domain/goal.ts";
import type { ApprovalId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided, RefusedError } from "../domain/refusal.ts";
import type { StepDefinition } from "../domain/step.ts";
import { commit, prepareCommit } from "./commit-version.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { viewOf } from "./goal-at-hand.ts";
import { refineGoal } from "./refine-goal.ts";
import type { GoalTarget } from "./refine-goal.ts";

export interface MaestroPlanRequest {
  readonly target: GoalTarget;
  readonly steps: readonly StepDefinition[];
  readonly acceptLate: boolean;
}
export interface MaestroPlanResponse {
  readonly goal: GoalView;
  readonly version: GraphVersion;
  readonly plan: PlanRow;
  /** The approval that it waits for. */
  readonly approvalId: ApprovalId | null;
}

export function maestroPlan(heavy: HeavyWork): Operation<MaestroPlanRequest, MaestroPlanResponse> {
  return async (tx, { target, steps, acceptLate }, context) => {
    const refined = await refineGoal(heavy, tx, { target, steps, version: 0, open: false }, context);
    if (!refined.ok) return refined;
    const prepared = await prepareCommit(heavy, tx, context, refined.value, {
      operation: "graph.commit",
      reason: "",
      acceptLate,
    });
    // The version is written by now: a refused commit must take it along.
    if (!prepared.ok) throw new RefusedError(prepared.refusal);
    const { goal, plan, approvalId, recordId, news } = await commit(
      tx,
      context,
      prepared.value,
      refined.value.changes.records,
    );
    const { version } = refined.value;
    const state = approvalId === null ? "ACTIVE" : "AWAITING_RATIFICATION";
    return decided({
      value: { goal: viewOf(goal, plan), version: { ...version, state }, plan, approvalId },
      recordId,
      ...news,
    });
  };
}
