// StepService: reads steps, and the verbs of operators. Not here: tailing logs, see step-logs.ts.
import { StepService } from "../../../gen/maestro/v1/step_service_pb.ts";
import { idIn } from "../mapping/problems.ts";
import type { Problems } from "../mapping/problems.ts";
import { attemptToWire, stepToWire } from "../mapping/step.ts";
import { stepStates } from "../mapping/words.ts";
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

export function stepRoutes(kit: Kit): readonly Route[] {
  const { stepGet, stepList, stepListAttempts, stepRetry, stepSkip, stepHold, stepRelease } = kit.operations;
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
      request: verb,
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
    tailLogsRoute(kit),
  ];
}
