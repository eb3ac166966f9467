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

export const planCancel: Operation<PlanCancelRequest, PlanRow> = async (
  tx,
  { planId, reason, compensate },
  context,
) => {
  const { orgId } = context.principal;
  const done = await withPlan(tx, context, planId, () => decided({ kind: "cancel", reason, compensate }));
  if (!done.ok) return done;
  const { pendingVersion } = done.value.value;
  // A version that waited for ratification will not get it any more.
  if (pendingVersion > 0) await tx.graphs.setState(orgId, planId, pendingVersion, "REJECTED");
  return done;
};
