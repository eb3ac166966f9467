// Starts dispatch of a suspended plan again.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided } from "../domain/refusal.ts";
import { withPlan } from "./with-plan.ts";

export interface PlanResumeRequest {
  readonly planId: PlanId;
  readonly reason: string;
}

export const planResume: Operation<PlanResumeRequest, PlanRow> = (tx, { planId, reason }, context) =>
  withPlan(tx, context, planId, () => decided({ kind: "resume", reason }));
