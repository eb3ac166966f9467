// Returns a plan. One that was never committed is not a plan yet.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";

export interface PlanGetRequest {
  readonly planId: PlanId;
}

export const planGet: Operation<PlanGetRequest, PlanRow> = async (tx, { planId }, context) => {
  const plan = await tx.plans.find(context.principal.orgId, planId);
  return plan === undefined || plan.state === "UNCOMMITTED" ? notFound("plan", planId) : read(plan);
};
