// Plans as messages.
import type { Plan as WirePlan } from "../../../gen/maestro/v1/plan_pb.ts";
import { goalOfPlan } from "../../domain/id.ts";
import type { PlanRow } from "../../domain/plan.ts";
import { ledgerToWire } from "./amounts.ts";
import { idText } from "./problems.ts";
import { optionalTimestamp } from "./time.ts";
import { planStates } from "./words.ts";

/** A plan; one that was never committed has no wire form. */
export function planToWire(plan: PlanRow): WirePlan | undefined {
  if (plan.state === "UNCOMMITTED") return undefined;
  return {
    $typeName: "maestro.v1.Plan",
    planId: idText("plan", plan.planId),
    goalId: idText("goal", goalOfPlan(plan.planId)),
    charterId: idText("charter", plan.charterId),
    charterRevision: plan.charterRevision,
    state: planStates.number(plan.state),
    activeVersion: plan.activeVersion,
    pendingVersion: plan.pendingVersion,
    ledger: ledgerToWire(plan.account),
    progress: {
      $typeName: "maestro.v1.Progress",
      total: plan.stepsTotal,
      ended: plan.stepsEnded,
      succeeded: plan.stepsSucceeded,
      failed: plan.stepsFailed,
    },
    committedAt: optionalTimestamp(plan.committedMs),
    deadline: optionalTimestamp(plan.deadlineMs),
    finishedAt: optionalTimestamp(plan.finishedMs),
    reason: plan.reason,
    recordSequence: BigInt(plan.recordSeq),
    revision: BigInt(plan.rev),
  };
}
