// Lists plans, newest first.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { PlanRow, PlanState } from "../domain/plan.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface PlanListRequest {
  /** The plan of one goal; null for all. */
  readonly planId: PlanId | null;
  readonly states: readonly PlanState[];
  readonly page: PageRequest;
}

export const planList: Operation<PlanListRequest, Page<PlanRow>> = async (tx, { planId, states, page }, context) => {
  const plans = await tx.plans.list(context.principal.orgId, { planId, states }, oneMore(page));
  return read(pageOf(plans, page, (plan) => [plan.createdMs, plan.planId]));
};
