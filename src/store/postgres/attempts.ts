// Ended attempts between the table and the domain. Not here: writing them, see write-changes.ts.
import type { ExecutorId, PlanId, RecordId } from "../../domain/id.ts";
import type { Attempt, AttemptState, ErrorClass } from "../../domain/outcome.ts";
import { payloadOf } from "../../domain/payload.ts";
import type { Artifact } from "../../domain/payload.ts";
import { amountsOf, hexOf } from "./columns.ts";
import type { RawAmounts } from "./columns.ts";

export interface RawAttempt extends RawAmounts<"hold" | "usage"> {
  readonly plan_id: string;
  readonly ordinal: number;
  readonly fencing: number;
  readonly attempt: number;
  readonly undoing: boolean;
  readonly state: string;
  readonly executor_id: string;
  readonly leased_ms: number;
  readonly ended_ms: number;
  readonly ready_ms: number;
  readonly outputs: string | null;
  readonly outputs_digest: string | null;
  readonly body_digest: Uint8Array | null;
  readonly error_class: string | null;
  readonly message: string | null;
  readonly details: string | null;
  readonly artifacts: string | null;
  readonly log_tail: string | null;
  readonly late_digest: Uint8Array | null;
  readonly record_id: string;
}

/** Columns to select, of alias `a`. */
export const ATTEMPT_SELECT = [
  "plan_id",
  "ordinal",
  "fencing",
  "attempt",
  "undoing",
  "state",
  "executor_id",
  "leased_ms",
  "ended_ms",
  "ready_ms",
  "outputs",
  "outputs_digest",
  "body_digest",
  "error_class",
  "message",
  "details",
  "artifacts",
  "log_tail",
  "late_digest",
  "record_id",
  "hold_tokens",
  "hold_money",
  "hold_wall",
  "hold_energy",
  "usage_tokens",
  "usage_money",
  "usage_wall",
  "usage_energy",
]
  .map((name) => `a.${name}`)
  .join(", ");

export function attemptOf(raw: RawAttempt): Attempt {
  return {
    planId: raw.plan_id as PlanId,
    ordinal: raw.ordinal,
    fencing: raw.fencing,
    attempt: raw.attempt,
    undoing: raw.undoing,
    state: raw.state as AttemptState,
    executorId: raw.executor_id as ExecutorId,
    readyMs: raw.ready_ms,
    leasedMs: raw.leased_ms,
    endedMs: raw.ended_ms,
    outputs: payloadOf(raw.outputs),
    outputsDigest: raw.outputs_digest ?? "",
    bodyDigest: hexOf(raw.body_digest),
    failure:
      raw.error_class === null
        ? null
        : { errorClass: raw.error_class as ErrorClass, message: raw.message ?? "", details: raw.details ?? "" },
    artifacts: raw.artifacts === null ? [] : (JSON.parse(raw.artifacts) as readonly Artifact[]),
    logTail: raw.log_tail ?? "",
    hold: amountsOf(raw, "hold"),
    usage: amountsOf(raw, "usage"),
    lateDigest: hexOf(raw.late_digest),
    recordId: raw.record_id as RecordId,
  };
}
