// Step definitions, steps and attempts as messages and back. Defaults of definitions are filled in here.
import type {
  Attempt as WireAttempt,
  Compensation as WireCompensation,
  Estimate as WireEstimate,
  Failure as WireFailure,
  RetryPolicy,
  Step as WireStep,
  StepDefinition as WireDefinition,
} from "../../../gen/maestro/v1/step_pb.ts";
import type { Amounts } from "../../domain/amounts.ts";
import type { ExecutorId } from "../../domain/id.ts";
import type { Attempt, Failure } from "../../domain/outcome.ts";
import type { Payload } from "../../domain/payload.ts";
import { GATE_TIMEOUT_MS, GATEKEEPER, kindViolations, RELEASE_GATE } from "../../domain/gate.ts";
import { NOBODY } from "../../domain/plan/by-hand.ts";
import { DEFAULT_TIMEOUT_MS, NO_RETRY } from "../../domain/step.ts";
import type { Compensation, Estimate, Retry, StepDefinition, StepRow } from "../../domain/step.ts";
import { amountsOf, amountsToWire } from "./amounts.ts";
import { artifactToWire, payloadIn, payloadToWire } from "./payload.ts";
import { idText, optionalIdText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { duration, durationMs, optionalTimestamp, timestamp } from "./time.ts";
import { attemptStates, errorClasses, failureRules, stepStates } from "./words.ts";

export function definitionsIn(
  problems: Problems,
  field: string,
  wires: readonly WireDefinition[],
): readonly StepDefinition[] {
  return wires.map((wire, i) => definitionIn(problems, `${field}[${i}]`, wire));
}

function definitionIn(problems: Problems, field: string, wire: WireDefinition): StepDefinition {
  const work = wire.kind.case === "work" ? wire.kind.value : undefined;
  const isGate = wire.kind.case === "gate";
  const definition: StepDefinition = {
    key: wire.key,
    kind: isGate ? "gate" : "work",
    title: wire.title,
    capability: isGate ? RELEASE_GATE : (work?.capability ?? ""),
    executorLabels: { ...work?.executorLabels },
    minTrust: work?.minTrust ?? 0,
    hold: amountsOf(work?.hold),
    needs: wire.needs.map(({ step, regardless }) => ({ step, regardless })),
    condition: wire.condition,
    input: payloadIn(problems, `${field}.input`, wire.input),
    inputSchema: wire.inputSchema,
    outputSchema: wire.outputSchema,
    estimate: wire.estimate === undefined ? null : estimateIn(problems, `${field}.estimate`, wire.estimate),
    timeoutMs: timeoutOf(wire, isGate),
    retry: retryOf(wire.retry),
    onFailure: failureRules.word(wire.onFailure) ?? (isGate ? "ASK" : "FAIL_PLAN"),
    compensation:
      wire.compensation === undefined ? null : compensationIn(problems, `${field}.compensation`, wire.compensation),
    priority: wire.priority,
    produces: [...wire.produces],
    consumes: [...wire.consumes],
    requiresApproval: wire.requiresApproval,
  };
  for (const wrong of kindViolations(definition))
    problems.add(`${field}.${wrong.field}`, wrong.description, wrong.rule);
  return definition;
}

function timeoutOf({ timeout }: WireDefinition, isGate: boolean): number {
  if (timeout !== undefined) return durationMs(timeout);
  return isGate ? GATE_TIMEOUT_MS : DEFAULT_TIMEOUT_MS;
}

function estimateIn(problems: Problems, field: string, wire: WireEstimate): Estimate {
  const likelyMs = wire.likely === undefined ? 0 : durationMs(wire.likely);
  const optimisticMs = wire.optimistic === undefined ? likelyMs : durationMs(wire.optimistic);
  const pessimisticMs = wire.pessimistic === undefined ? likelyMs : durationMs(wire.pessimistic);
  if (optimisticMs > likelyMs || likelyMs > pessimisticMs)
    problems.add(field, "must grow from optimistic over likely to pessimistic", "estimate.order");
  return { optimisticMs, likelyMs, pessimisticMs };
}

function retryOf(wire: RetryPolicy | undefined): Retry {
  if (wire === undefined) return NO_RETRY;
  return {
    maxAttempts: wire.maxAttempts,
    initialBackoffMs: wire.initialBackoff === undefined ? NO_RETRY.initialBackoffMs : durationMs(wire.initialBackoff),
    maxBackoffMs: wire.maxBackoff === undefined ? NO_RETRY.maxBackoffMs : durationMs(wire.maxBackoff),
    multiplier: wire.multiplier === 0 ? NO_RETRY.multiplier : wire.multiplier,
    jitter: wire.jitter ?? NO_RETRY.jitter,
  };
}

function compensationIn(problems: Problems, field: string, wire: WireCompensation): Compensation {
  return {
    capability: wire.capability,
    input: payloadIn(problems, `${field}.input`, wire.input),
    timeoutMs: wire.timeout === undefined ? DEFAULT_TIMEOUT_MS : durationMs(wire.timeout),
    retry: retryOf(wire.retry),
  };
}

export function definitionToWire(step: StepDefinition): WireDefinition {
  return {
    $typeName: "maestro.v1.StepDefinition",
    key: step.key,
    kind: kindToWire(step),
    needs: step.needs.map((need) => ({ $typeName: "maestro.v1.Dependency", ...need })),
    condition: step.condition,
    input: payloadToWire(step.input),
    inputSchema: step.inputSchema,
    outputSchema: step.outputSchema,
    estimate:
      step.estimate === null
        ? undefined
        : {
            $typeName: "maestro.v1.Estimate",
            optimistic: duration(step.estimate.optimisticMs),
            likely: duration(step.estimate.likelyMs),
            pessimistic: duration(step.estimate.pessimisticMs),
          },
    timeout: duration(step.timeoutMs),
    retry: retryToWire(step.retry),
    onFailure: failureRules.number(step.onFailure),
    compensation:
      step.compensation === null
        ? undefined
        : {
            $typeName: "maestro.v1.Compensation",
            capability: step.compensation.capability,
            input: payloadToWire(step.compensation.input),
            timeout: duration(step.compensation.timeoutMs),
            retry: retryToWire(step.compensation.retry),
          },
    priority: step.priority,
    produces: [...step.produces],
    consumes: [...step.consumes],
    requiresApproval: step.requiresApproval,
    title: step.title,
  };
}

function kindToWire(step: StepDefinition): WireDefinition["kind"] {
  if (step.kind === "gate") {
    const gate = { case: "release" as const, value: { $typeName: "maestro.v1.ReleaseGateStep" as const } };
    return { case: "gate", value: { $typeName: "maestro.v1.GateStep", gate } };
  }
  return {
    case: "work",
    value: {
      $typeName: "maestro.v1.WorkStep",
      capability: step.capability,
      executorLabels: { ...step.executorLabels },
      minTrust: step.minTrust,
      hold: amountsToWire(step.hold),
    },
  };
}

function retryToWire(retry: Retry): RetryPolicy {
  return {
    $typeName: "maestro.v1.RetryPolicy",
    maxAttempts: retry.maxAttempts,
    initialBackoff: duration(retry.initialBackoffMs),
    maxBackoff: duration(retry.maxBackoffMs),
    multiplier: retry.multiplier,
    jitter: retry.jitter,
  };
}

export function failureToWire(failure: Failure | null): WireFailure | undefined {
  if (failure === null) return undefined;
  return {
    $typeName: "maestro.v1.Failure",
    errorClass: errorClasses.number(failure.errorClass),
    message: failure.message,
    detailsJson: failure.details,
  };
}

/** A step with its definition and results, as operations return it. */
export interface StepParts {
  readonly row: StepRow;
  readonly definition: StepDefinition;
  readonly input: Payload | null;
  readonly last: Attempt | null;
  readonly usage: Amounts;
}

export function stepToWire({ row, definition, input, last, usage }: StepParts): WireStep {
  return {
    $typeName: "maestro.v1.Step",
    planId: idText("plan", row.planId),
    key: row.key,
    ordinal: row.ordinal,
    state: stepStates.number(row.state),
    version: row.version,
    definition: definitionToWire(definition),
    waitingOn: row.waitingOn,
    attempt: row.attempt,
    fencing: BigInt(row.fencing),
    executorId: performerText(row.executorId),
    readyAt: optionalTimestamp(row.readyMs),
    startedAt: optionalTimestamp(row.startedMs),
    finishedAt: optionalTimestamp(row.finishedMs),
    notBefore: optionalTimestamp(row.notBeforeMs),
    outputs: row.state === "SUCCEEDED" ? payloadToWire(last?.outputs ?? null) : undefined,
    failure: row.state === "SUCCEEDED" ? undefined : failureToWire(last?.failure ?? null),
    usage: amountsToWire(usage),
    input: payloadToWire(input),
  };
}

/** Which executor performs something; empty for none: it was resolved by hand, or Maestro performs it itself. */
export function performerText(executorId: ExecutorId | null): string {
  return optionalIdText("executor", executorId === NOBODY || executorId === GATEKEEPER ? null : executorId);
}

export function attemptToWire(attempt: Attempt): WireAttempt {
  return {
    $typeName: "maestro.v1.Attempt",
    fencing: BigInt(attempt.fencing),
    attempt: attempt.attempt,
    executorId: performerText(attempt.executorId),
    state: attemptStates.number(attempt.state),
    leasedAt: timestamp(attempt.leasedMs),
    endedAt: timestamp(attempt.endedMs),
    outputs: payloadToWire(attempt.outputs),
    failure: failureToWire(attempt.failure),
    usage: amountsToWire(attempt.usage),
    hold: amountsToWire(attempt.hold),
    artifacts: attempt.artifacts.map(artifactToWire),
    lateReport: attempt.lateDigest !== null,
  };
}
