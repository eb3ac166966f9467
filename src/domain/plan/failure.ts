// What failures set in motion: retries with backoff, on-failure rules. Not here: how a plan ends, see ending.ts.
import type { ApprovalId } from "../id.ts";
import type { Failure } from "../outcome.ts";
import type { Retry, StepDefinition } from "../step.ts";
import { isCompensable } from "./draft.ts";
import type { PlanDraft } from "./draft.ts";
import { beginEnding, maybeFinish, undoNext } from "./ending.ts";
import { makeReady, settleDependents, unpark } from "./ready.ts";

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
  } else if (failure.errorClass === "TRANSIENT" || failure.errorClass === "TIMEOUT" || failure.errorClass === "CANCELLED") {
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

/** A step that fails before it could be leased, by its condition, references or schema. True when it ended. */
export function failFinally(draft: PlanDraft, ordinal: number, failure: Failure): boolean {
  const row = draft.step(ordinal);
  const result = endFailed(draft, ordinal, "FAILED", failure);
  draft.record("step.failed", { step: row.key, ordinal, state: draft.step(ordinal).state, error_class: failure.errorClass, message: failure.message }, { actor: "maestro" });
  if (result === "ended" && failsPlan(draft.definition(ordinal))) beginEnding(draft, "FAILED", `step ${row.key} failed: ${failure.message}`, true);
  return result === "ended";
}

/** Ends a step that failed or was refused, or asks an approver. */
export function endFailed(draft: PlanDraft, ordinal: number, state: "FAILED" | "REFUSED", failure: Failure): FailureResult {
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

/** What the end of an attempt sets in motion, once its attempt and record are written. */
export function afterAttempt(draft: PlanDraft, ordinal: number, result: FailureResult): void {
  const row = draft.step(ordinal);
  const { plan } = draft;
  if (result === "ended" && !row.undoing && row.current && plan.ending === null && (row.state === "FAILED" || row.state === "REFUSED")) {
    if (failsPlan(draft.definition(ordinal))) {
      // A refusal is not a failed effect: nothing is undone because of it.
      const word = row.state === "REFUSED" ? "was refused" : "failed";
      beginEnding(draft, "FAILED", `step ${row.key} ${word}`, row.state === "FAILED");
    }
  }
  if (row.undoing && (row.state === "COMPENSATED" || row.state === "COMPENSATION_FAILED")) undoNext(draft);
  else if (!row.undoing && row.state !== "BACKING_OFF" && row.state !== "READY" && row.state !== "AWAITING_APPROVAL") settleDependents(draft, [ordinal]);
  // A done row that a re-plan dropped, or that ended while the plan is being undone, is undone as well.
  if (row.state === "SUCCEEDED" && !row.current && isCompensable(row)) undoNext(draft);
  if (plan.stepsStarved > 0 && plan.ending === null && plan.state === "ACTIVE") unpark(draft, 16);
  maybeFinish(draft);
}

/** Back to the ready set, or to the end of the compensation queue. */
export function requeue(draft: PlanDraft, ordinal: number): void {
  const row = draft.step(ordinal);
  if (row.undoing) {
    draft.move(ordinal, "COMPENSATING", { orderKey: draft.context.nowMs * 1_000, readyMs: draft.context.nowMs });
    draft.ready.push(ordinal);
  } else if (row.heldBack) {
    draft.move(ordinal, "WAITING");
  } else {
    makeReady(draft, ordinal);
  }
}

function failsPlan(definition: StepDefinition): boolean {
  return definition.onFailure === "FAIL_PLAN" || definition.onFailure === "ASK";
}

function askAfterFailure(draft: PlanDraft, ordinal: number, failure: Failure): void {
  const row = draft.step(ordinal);
  draft.setApproval({
    orgId: draft.plan.orgId, planId: draft.plan.planId, approvalId: draft.context.newId() as ApprovalId, subject: "FAILURE", ordinal, step: row.key,
    version: row.version, digest: `failure:${draft.plan.planId}:${String(ordinal)}:${String(row.fencing)}`, state: "PENDING",
    question: `Step ${row.key} failed: ${failure.message.slice(0, 500)}. Approve to try it again, reject to fail the plan.`,
    requestedBy: "maestro", requestedMs: draft.context.nowMs, decidedBy: null, decidedMs: null, comment: "", context: "{}",
  });
}

