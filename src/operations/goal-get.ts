// Returns a goal, with where its plan stands.
import type { Operation } from "../engine/operation.ts";
import type { GoalView } from "../domain/goal.ts";
import { planOfGoal } from "../domain/id.ts";
import type { GoalId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";

export interface GoalGetRequest {
  readonly goalId: GoalId;
}

export const goalGet: Operation<GoalGetRequest, GoalView> = async (tx, { goalId }, context) => {
  const goal = await tx.goals.find(context.principal.orgId, planOfGoal(goalId));
  return goal === undefined ? notFound("goal", goalId) : read(goal);
};
