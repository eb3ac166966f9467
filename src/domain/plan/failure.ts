// What a failed attempt means for its step: another one after a backoff, or an end by its rule. Not here: consequences.ts.
import type { ApprovalId } from "../id.ts";
import type { Failure } from "../outcome.ts";
import type { Retry, StepDefinition } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { requeue } from "./queue.ts";

/** Losses in a row (executor gone, lease returned late) that a step survives beyond its retries: a step that kills its executors must end. */
export const LOSSES_LIMIT = 20;

/** Wait before attempt `failures + 1`: initial × multiplier^(failures − 1), capped, of which the jitter's share is drawn at random. */
export function backoffMs(retry: Retry, failures: number, fraction: number): number {
  const full = Math.min(retry.maxBackoffMs, retry.initialBackoffMs * retry.multiplier ** Math.max(0, failures - 1));
  return Math.round(full * (1 - retry.jitter + retry.jitter * fraction));
}

export type FailureResult = "again" | "ended" | "asked" | "stopped";

/** After a failed attempt: another one, or the end of the step by its rule (without its consequences, see afterAttempt). */
export function retryOrFail(draft: PlanDraft, ordinal: number, failure: Failure): FailureResult {
  const row = draft.step(ordinal);
  if (failure.errorClass === "LOST") {
    if (row.attempt - row.failures <= LOSSES_LIMIT) {
      requeue(draft, ordinal);
      return "again";
    }
  } else if (
    failure.errorClass === "TRANSIENT" ||
    failure.errorClass === "TIMEOUT" ||
    failure.errorClass === "CANCELLED"
  ) {
    const definition = draft.definition(ordinal);
    const retry = row.undoing ? (definition.compensation?.retry ?? definition.retry) : definition.retry;
    const failures = row.failures + 1;
    if (failures < retry.maxAttempts) {
      const dueMs = draft.context.nowMs + backoffMs(retry, failures, draft.context.fraction());
      draft.move(ordinal, "BACKING_OFF", { failures, notBeforeMs: dueMs });
      draft.setTimer(ordinal, dueMs);
      return "again";
    }
    draft.patch(ordinal, { failures });
  }
  return endFailed(draft, ordinal, "FAILED", failure);
}

/** Ends a step that failed or was refused, or asks an approver. */
export function endFailed(
  draft: PlanDraft,
  ordinal: number,
  state: "FAILED" | "REFUSED",
  failure: Failure,
): FailureResult {
  const row = draft.step(ordinal);
  if (row.undoing) {
    draft.move(ordinal, "COMPENSATION_FAILED");
    return "ended";
  }
  const definition = draft.definition(ordinal);
  if (definition.onFailure === "ASK" && draft.plan.ending === null && row.current && row.state === "LEASED") {
    draft.move(ordinal, "AWAITING_APPROVAL");
    askAfterFailure(draft, ordinal, failure);
    return "asked";
  }
  draft.move(ordinal, state);
  return "ended";
}

/** Whether a final failure of the step is one of the plan. */
export function failsPlan(definition: StepDefinition): boolean {
  return definition.onFailure === "FAIL_PLAN" || definition.onFailure === "ASK";
}

function askAfterFailure(draft: PlanDraft, ordinal: number, failure: Failure): void {
  const row = draft.step(ordinal);
  draft.setApproval({
    orgId: draft.plan.orgId,
    planId: draft.plan.planId,
    approvalId: draft.context.newId() as ApprovalId,
    subject: "FAILURE",
    ordinal,
    step: row.key,
    version: row.version,
    digest: `failure:${draft.plan.planId}:${String(ordinal)}:${String(row.fencing)}`,
    state: "PENDING",
    question: `Step ${row.key} failed: ${failure.message.slice(0, 500)}. Approve to try it again, reject to fail the plan.`,
    requestedBy: "maestro",
    requestedMs: draft.context.nowMs,
    decidedBy: null,
    decidedMs: null,
    comment: "",
    context: "{}",
  });
}
