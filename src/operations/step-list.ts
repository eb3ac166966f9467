// Lists the steps of a plan under its active version, by key.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import type { StepState } from "../domain/step.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import type { StepView } from "../store/ports/plans.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface StepListRequest {
  readonly planId: PlanId;
  readonly states: readonly StepState[];
  readonly page: PageRequest;
}

export const stepList: Operation<StepListRequest, Page<StepView>> = async (tx, { planId, states, page }, context) => {
  const { orgId } = context.principal;
  if ((await tx.plans.find(orgId, planId)) === undefined) return notFound("plan", planId);
  const steps = await tx.plans.listSteps(orgId, planId, { states }, oneMore(page));
  return read(pageOf(steps, page, (step) => [step.row.key]));
};
