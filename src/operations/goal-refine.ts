// Turns steps into an analysed graph version of a new or existing goal, or keeps the version open for more steps.
import type { Operation } from "../engine/operation.ts";
import type { GraphVersion } from "../domain/graph.ts";
import type { GoalView } from "../domain/goal.ts";
import { decided } from "../domain/refusal.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { viewOf } from "./goal-at-hand.ts";
import { refineGoal } from "./refine-goal.ts";
import type { RefineRequest } from "./refine-goal.ts";

export type GoalRefineRequest = RefineRequest;
export interface GoalRefineResponse {
  readonly goal: GoalView;
  readonly version: GraphVersion;
}

export function goalRefine(heavy: HeavyWork): Operation<GoalRefineRequest, GoalRefineResponse> {
  return async (tx, request, context) => {
    const refined = await refineGoal(heavy, tx, request, context);
    if (!refined.ok) return refined;
    const { goal, plan, version, recordId, changes } = refined.value;
    await tx.plans.save(changes);
    return decided({ value: { goal: viewOf(goal, plan), version }, recordId });
  };
}
