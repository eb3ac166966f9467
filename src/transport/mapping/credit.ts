// Credit traces as messages.
import type { CreditTrace as WireTrace } from "../../../gen/maestro/v1/credit_pb.ts";
import type { CreditTrace } from "../../domain/credit/trace.ts";
import { amountsToWire } from "./amounts.ts";
import { idText } from "./problems.ts";
import { failureToWire, performerText } from "./step.ts";
import { duration, optionalTimestamp } from "./time.ts";
import { stepStates } from "./words.ts";

/** `names` are those of the executors in it, by id. */
export function creditTraceToWire(trace: CreditTrace, names: ReadonlyMap<string, string>): WireTrace {
  return {
    $typeName: "maestro.v1.CreditTrace",
    planId: idText("plan", trace.planId),
    version: trace.version,
    step: trace.step,
    criticalPath: [...trace.criticalPath],
    realized: duration(trace.realizedMs),
    planned: duration(trace.plannedMs),
    steps: trace.steps.map((step) => ({
      $typeName: "maestro.v1.StepTrace",
      key: step.key,
      state: stepStates.number(step.state),
      planned: duration(step.plannedMs),
      waiting: duration(step.waitingMs),
      queueing: duration(step.queueingMs),
      executing: duration(step.executingMs),
      retrying: duration(step.retryingMs),
      attempts: step.attempts,
      usage: amountsToWire(step.usage),
      critical: step.critical,
      finishedAt: optionalTimestamp(step.finishedMs),
      executorId: performerText(step.executorId),
      deviationMs: BigInt(Math.round(step.deviationMs)),
    })),
    executors: trace.executors.map((share) => ({
      $typeName: "maestro.v1.ExecutorShare",
      executorId: performerText(share.executorId),
      name: names.get(share.executorId) ?? "",
      attempts: share.attempts,
      succeeded: share.succeeded,
      executing: duration(share.executingMs),
      usage: amountsToWire(share.usage),
    })),
    rootCauses: trace.rootCauses.map((cause) => ({
      $typeName: "maestro.v1.RootCause",
      step: cause.step,
      failure: failureToWire(cause.failure),
      executorId: performerText(cause.executorId),
      affected: [...cause.affected],
      affectedCount: cause.affectedCount,
    })),
    usage: amountsToWire(trace.usage),
    recordSequence: BigInt(trace.recordSeq),
  };
}
