// StepService: reads steps, and the verbs of operators. Not here: tailing logs, see step-logs.ts.
import { StepService } from "../../../gen/maestro/v1/step_service_pb.ts";
import type { ResolveStepRequest } from "../../../gen/maestro/v1/step_service_pb.ts";
import type { ByHand } from "../../domain/plan/by-hand.ts";
import type { StepVerb } from "../../operations/step-change.ts";
import { amountsOf } from "../mapping/amounts.ts";
import { failureIn } from "../mapping/lease.ts";
import { outputsIn } from "../mapping/payload.ts";
import { idIn } from "../mapping/problems.ts";
import type { Problems } from "../mapping/problems.ts";
import { passedOverToWire, refusalToWire } from "../mapping/refusal.ts";
import { attemptToWire, stepToWire } from "../mapping/step.ts";
import { rerunOrders, stepStates, stepVerbs } from "../mapping/words.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";
import { tailLogsRoute } from "./step-logs.ts";

interface StepRequest {
  readonly planId: string;
  readonly step: string;
}

const which = ({ planId, step }: StepRequest, problems: Problems) => ({
  planId: idIn(problems, "plan_id", "plan", planId),
  step,
});
const verb = (message: StepRequest & { readonly reason: string }, problems: Problems) => ({
  ...which(message, problems),
  reason: message.reason,
});

/** Keys of one list in an answer. */
const KEYS_SHOWN = 1_000;

function resultIn(result: ResolveStepRequest["result"], problems: Problems): ByHand["result"] {
  if (result.case !== "failure") {
    const { payload, digest } = outputsIn(problems, "success.outputs", result.value?.outputs);
    return { kind: "success", outputs: payload, outputsDigest: digest };
  }
  return { kind: "failure", failure: failureIn(problems, "failure", result.value) };
}

export function stepRoutes(kit: Kit): readonly Route[] {
  const { stepGet, stepList, stepListAttempts, stepRetry, stepSkip, stepHold, stepRelease } = kit.operations;
  const { stepRerun, stepResolve, stepChange } = kit.operations;
  return [
    operationRoute(kit, StepService.method.getStep, {
      operation: stepGet,
      request: which,
      answer: (step) => ({ step: stepToWire(step) }),
    }),
    operationRoute(kit, StepService.method.listSteps, {
      operation: stepList,
      request: ({ planId, states }, problems, { page }) => ({
        planId: idIn(problems, "plan_id", "plan", planId),
        states: states.flatMap((state) => stepStates.word(state) ?? []),
        page,
      }),
      answer: ({ items, next }, _, paging) => ({ steps: items.map(stepToWire), nextPageToken: paging.next(next) }),
    }),
    operationRoute(kit, StepService.method.listAttempts, {
      operation: stepListAttempts,
      request: (message, problems, { page }) => ({ ...which(message, problems), page }),
      answer: ({ items, next }, _, paging) => ({
        attempts: items.map(attemptToWire),
        nextPageToken: paging.next(next),
      }),
    }),
    operationRoute(kit, StepService.method.retryStep, {
      operation: stepRetry,
      request: (message, problems) => ({ ...verb(message, problems), ordinal: message.ordinal }),
      answer: (step) => ({ step: stepToWire(step) }),
    }),
    operationRoute(kit, StepService.method.skipStep, {
      operation: stepSkip,
      request: verb,
      answer: (step) => ({ step: stepToWire(step) }),
    }),
    operationRoute(kit, StepService.method.holdStep, {
      operation: stepHold,
      request: verb,
      answer: (step) => ({ step: stepToWire(step) }),
    }),
    operationRoute(kit, StepService.method.releaseStep, {
      operation: stepRelease,
      request: verb,
      answer: (step) => ({ step: stepToWire(step) }),
    }),
    operationRoute(kit, StepService.method.rerunStep, {
      operation: stepRerun,
      dryRun: ({ dryRun }) => dryRun,
      request: (message, problems) => ({
        ...verb(message, problems),
        cascade: message.cascade,
        order: rerunOrders.word(message.order) ?? "UNDO_FIRST",
        dryRun: message.dryRun,
      }),
      answer: ({ step, rerun, stale, compensated, notCompensable, stopped }) => ({
        step: stepToWire(step),
        rerunSteps: rerun.slice(0, KEYS_SHOWN),
        staleSteps: stale.slice(0, KEYS_SHOWN),
        compensatedSteps: compensated.slice(0, KEYS_SHOWN),
        notCompensableSteps: notCompensable.slice(0, KEYS_SHOWN),
        stoppedSteps: stopped.slice(0, KEYS_SHOWN),
      }),
    }),
    operationRoute(kit, StepService.method.resolveStep, {
      operation: stepResolve,
      request: (message, problems) => ({
        ...verb(message, problems),
        result: resultIn(message.result, problems),
        usage: message.usage === undefined ? null : amountsOf(message.usage),
        fencing: Number(message.expectedFencing),
        ordinal: message.ordinal,
      }),
      answer: (step) => ({ step: stepToWire(step) }),
    }),
    operationRoute(kit, StepService.method.changeSteps, {
      operation: stepChange,
      dryRun: ({ dryRun }) => dryRun,
      request: ({ planId, verb: wanted, states, keys, reason, dryRun }, problems, { page }) => ({
        planId: idIn(problems, "plan_id", "plan", planId),
        // UNSPECIFIED was refused when the message was looked at.
        verb: (stepVerbs.word(wanted) ?? "HOLD").toLowerCase() as StepVerb,
        states: states.flatMap((state) => stepStates.word(state) ?? []),
        keys,
        reason,
        dryRun,
        page,
      }),
      answer: ({ matched, steps, refused, passedOver, next }, _, paging) => ({
        matched,
        steps: [...steps],
        passedOver: passedOver.map((one) => passedOverToWire(one, (key) => key)),
        refused: refused.map(({ step, ordinal, refusal }) => ({
          $typeName: "maestro.v1.StepRefusal",
          step,
          ordinal,
          refusal: refusalToWire(refusal),
        })),
        nextPageToken: paging.next(next),
      }),
    }),
    tailLogsRoute(kit),
  ];
}
