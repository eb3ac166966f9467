// Returns a step as it stands.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import type { StepView } from "../store/ports/plans.ts";
import { read } from "./done.ts";
import { findStep } from "./with-plan.ts";

export interface StepGetRequest {
  readonly planId: PlanId;
  readonly step: string;
}

export const stepGet: Operation<StepGetRequest, StepView> = async (tx, { planId, step }, context) => {
  const view = await findStep(tx, context, planId, step);
  if (view.ok) return read(view.value);
  return (await tx.plans.find(context.principal.orgId, planId)) === undefined ? notFound("plan", planId) : view;
};
