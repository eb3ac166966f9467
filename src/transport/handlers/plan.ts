// PlanService: reads plans, and the verbs of operators. Not here: watching, see watch.ts.
import { PlanService } from "../../../gen/maestro/v1/plan_service_pb.ts";
import type { Waiting as WireWaiting } from "../../../gen/maestro/v1/plan_service_pb.ts";
import type { PlanVerb } from "../../operations/plan-change.ts";
import type { Waiting } from "../../operations/wait-cause.ts";
import { planOfGoal } from "../../domain/id.ts";
import type { PlanId } from "../../domain/id.ts";
import { planToWire } from "../mapping/plan.ts";
import { charterNameOrId, idIn, idText, optionalIdIn, optionalIdText } from "../mapping/problems.ts";
import { passedOverToWire } from "../mapping/refusal.ts";
import { optionalTimestamp } from "../mapping/time.ts";
import { planStates, planVerbs, stepStates, waitCauses } from "../mapping/words.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";
import { watchPlanRoute } from "./watch.ts";

export function planRoutes(kit: Kit): readonly Route[] {
  const { planGet, planList, planSuspend, planResume, planCancel, planChange, planExplain } = kit.operations;
  return [
    operationRoute(kit, PlanService.method.getPlan, {
      operation: planGet,
      request: ({ planId }, problems) => ({ planId: idIn(problems, "plan_id", "plan", planId) }),
      answer: (plan) => ({ plan: planToWire(plan) }),
    }),
    operationRoute(kit, PlanService.method.listPlans, {
      operation: planList,
      request: ({ goalId, states }, problems, { page }) => {
        const goal = optionalIdIn(problems, "goal_id", "goal", goalId);
        return {
          planId: goal === null ? null : planOfGoal(goal),
          states: states.flatMap((state) => planStates.word(state) ?? []),
          page,
        };
      },
      answer: ({ items, next }, _, paging) => ({
        plans: items.flatMap((plan) => planToWire(plan) ?? []),
        nextPageToken: paging.next(next),
      }),
    }),
    operationRoute(kit, PlanService.method.suspendPlan, {
      operation: planSuspend,
      request: ({ planId, reason }, problems) => ({ planId: idIn(problems, "plan_id", "plan", planId), reason }),
      answer: (plan) => ({ plan: planToWire(plan) }),
    }),
    operationRoute(kit, PlanService.method.resumePlan, {
      operation: planResume,
      request: ({ planId, reason }, problems) => ({ planId: idIn(problems, "plan_id", "plan", planId), reason }),
      answer: (plan) => ({ plan: planToWire(plan) }),
    }),
    operationRoute(kit, PlanService.method.cancelPlan, {
      operation: planCancel,
      request: ({ planId, reason, compensate }, problems) => ({
        planId: idIn(problems, "plan_id", "plan", planId),
        reason,
        compensate,
      }),
      answer: (plan) => ({ plan: planToWire(plan) }),
    }),
    operationRoute(kit, PlanService.method.changePlans, {
      operation: planChange,
      dryRun: ({ dryRun }) => dryRun,
      request: ({ verb, charter, filter, reason, compensate, dryRun }, _, { page }) => ({
        // UNSPECIFIED was refused when the message was looked at.
        verb: (planVerbs.word(verb) ?? "SUSPEND").toLowerCase() as PlanVerb,
        charter: charterNameOrId(charter),
        filter,
        reason,
        compensate,
        dryRun,
        page,
      }),
      answer: ({ matched, planIds, passedOver, next }, _, paging) => ({
        matched,
        planIds: planIds.map((planId) => idText("plan", planId)),
        passedOver: passedOver.map((one) => passedOverToWire(one, (planId) => idText("plan", planId as PlanId))),
        nextPageToken: paging.next(next),
      }),
    }),
    operationRoute(kit, PlanService.method.explainPlan, {
      operation: planExplain,
      request: ({ planId, step }, problems, { page }) => ({
        planId: idIn(problems, "plan_id", "plan", planId),
        step,
        page,
      }),
      answer: ({ summary, waiting, next }, _, paging) => ({
        summary,
        waiting: waiting.map(waitingToWire),
        nextPageToken: paging.next(next),
      }),
    }),
    watchPlanRoute(kit),
  ];
}

function waitingToWire(waiting: Waiting): WireWaiting {
  return {
    $typeName: "maestro.v1.Waiting",
    step: waiting.step,
    state: stepStates.number(waiting.state),
    cause: waitCauses.number(waiting.cause),
    explanation: waiting.explanation,
    steps: [...waiting.steps],
    since: optionalTimestamp(waiting.sinceMs),
    until: optionalTimestamp(waiting.untilMs),
    approvalId: optionalIdText("approval", waiting.approvalId),
  };
}
