// What happened to a plan, as watchers see it: records and passing events.
import type { PlanEvent } from "../../../gen/maestro/v1/plan_service_pb.ts";
import type { PassingEvent } from "../../dispatch/dispatcher.ts";
import type { ExecutorId } from "../../domain/id.ts";
import type { PlanState } from "../../domain/plan.ts";
import type { StoredRecord } from "../../domain/record.ts";
import type { StepState } from "../../domain/step.ts";
import { recordUri } from "../../engine/record.ts";
import { performerText } from "./step.ts";
import { timestamp } from "./time.ts";
import { planStates, stepStates } from "./words.ts";

/** Members of record bodies that watchers are told; every one may be missing. */
interface Body {
  readonly step?: string;
  readonly state?: StepState;
  readonly plan_state?: PlanState;
  readonly attempt?: number;
  readonly fencing?: number;
  readonly executor?: ExecutorId | null;
  readonly message?: string;
  readonly reason?: string;
  readonly changes?: readonly (readonly [string, StepState])[];
}

const CHANGES = 1_000;

export function recordToEvent(record: StoredRecord): PlanEvent {
  const body = JSON.parse(record.body) as Body;
  return {
    $typeName: "maestro.v1.PlanEvent",
    sequence: BigInt(record.seq),
    at: timestamp(record.atMs),
    kind: record.kind,
    step: body.step ?? "",
    stepState: body.step === undefined || body.state === undefined ? 0 : stepStates.number(body.state),
    planState:
      body.plan_state === undefined || body.plan_state === "UNCOMMITTED" ? 0 : planStates.number(body.plan_state),
    attempt: body.attempt ?? 0,
    executorId: performerText(body.executor ?? null),
    message: body.message ?? body.reason ?? "",
    progress: 0,
    recordUri: recordUri(record.recordId),
    changes: (body.changes ?? [])
      .slice(0, CHANGES)
      .map(([step, state]) => ({ $typeName: "maestro.v1.StepChange", step, state: stepStates.number(state) })),
    fencing: BigInt(body.fencing ?? 0),
  };
}

export function passingToEvent(event: PassingEvent): PlanEvent {
  return {
    $typeName: "maestro.v1.PlanEvent",
    sequence: 0n,
    at: timestamp(event.atMs),
    kind: event.kind,
    step: event.step,
    stepState: event.kind === "step.leased" ? stepStates.number("LEASED") : 0,
    planState: 0,
    attempt: event.attempt,
    executorId: performerText(event.executorId),
    message: event.kind === "step.log" ? event.lines.map((line) => line.text).join("\n") : event.message,
    progress: event.progress,
    recordUri: "",
    changes: [],
    fencing: BigInt(event.fencing),
  };
}
