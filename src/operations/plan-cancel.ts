// Cancels a plan: what has not begun is cancelled, what runs is told to stop, what is done is undone if asked.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided } from "../domain/refusal.ts";
import { withPlan } from "./with-plan.ts";

export interface PlanCancelRequest {
  readonly planId: PlanId;
  readonly reason: string;
  readonly compensate: boolean;
}

export const planCancel: Operation<PlanCancelRequest, PlanRow> = async (tx, { planId, reason, compensate }, context) =>
  withPlan(tx, context, planId, () => decided({ kind: "cancel", reason, compensate }));
