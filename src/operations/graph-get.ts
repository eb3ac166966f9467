// Returns a graph version without its steps.
import type { Operation } from "../engine/operation.ts";
import type { GraphVersion } from "../domain/graph.ts";
import { planOfGoal } from "../domain/id.ts";
import type { GoalId } from "../domain/id.ts";
import { decided, notFound } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { OperationContext } from "../engine/operation.ts";
import type { Tx } from "../store/ports/store.ts";
import { read } from "./done.ts";

export interface GraphGetRequest {
  readonly goalId: GoalId;
  /** Zero for the active one, or the newest before a commit. */
  readonly version: number;
}

export const graphGet: Operation<GraphGetRequest, GraphVersion> = async (tx, { goalId, version }, context) => {
  if (version > 0) {
    const found = await findGraph(tx, context, goalId, version);
    return found.ok ? read(found.value) : found;
  }
  const plan = await tx.plans.find(context.principal.orgId, planOfGoal(goalId));
  if (plan === undefined) return notFound("goal", goalId);
  const found = await findGraph(tx, context, goalId, plan.activeVersion > 0 ? plan.activeVersion : plan.newestVersion);
  return found.ok ? read(found.value) : found;
};

/** A version of a goal, or a refusal that names what is missing. */
export async function findGraph(
  tx: Tx,
  context: OperationContext,
  goalId: GoalId,
  version: number,
): Promise<Decision<GraphVersion>> {
  const { orgId } = context.principal;
  const planId = planOfGoal(goalId);
  const found = await tx.graphs.findVersion(orgId, planId, version);
  if (found !== undefined) return decided(found);
  if ((await tx.plans.find(orgId, planId)) === undefined) return notFound("goal", goalId);
  return notFound("graph version", String(version));
}
