// Stops dispatch of a plan; what runs goes on.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided } from "../domain/refusal.ts";
import { withPlan } from "./with-plan.ts";

export interface PlanSuspendRequest {
  readonly planId: PlanId;
  readonly reason: string;
}

export const planSuspend: Operation<PlanSuspendRequest, PlanRow> = (tx, { planId, reason }, context) =>
  withPlan(tx, context, planId, () => decided({ kind: "suspend", reason }));
