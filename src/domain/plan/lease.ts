// Leasing ready steps, and leases that end without an outcome. Not here: outcomes, see report.ts.
import { NOTHING } from "../amounts.ts";
import type { ExecutorId, SessionId } from "../id.ts";
import type { Failure } from "../outcome.ts";
import { presumeHold, takeHold } from "../plan.ts";
import { nextFencing, STEP_FLAGS } from "../step.ts";
import type { StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { afterAttempt } from "./consequences.ts";
import { retryOrFail } from "./failure.ts";
import { holdOf, isLive } from "./live.ts";

export interface Claim {
  readonly ordinal: number;
  readonly executorId: ExecutorId;
  readonly sessionId: SessionId;
  /** Life of a lease that is renewed by calls; null when a stream keeps it alive. */
  readonly leaseMs: number | null;
}

/** Leases a step if it still can be; undefined when it cannot. No record of its own: the outcome's carries the grant. */
export function claim(draft: PlanDraft, wanted: Claim): StepRow | undefined {
  const row = draft.step(wanted.ordinal);
  const undoing = row.state === "COMPENSATING";
  if ((row.state !== "READY" && !undoing) || row.orderKey === null) return undefined;
  const { plan } = draft;
  const open = undoing ? plan.state !== "SUSPENDED" : plan.state === "ACTIVE" && plan.ending === null;
  if (!open) {
    draft.patch(wanted.ordinal, { orderKey: null });
    return undefined;
  }
  // Undoing holds nothing, and is not kept by a budget that doing has used up.
  const taken = undoing ? { account: plan.account } : takeHold(plan.account, row.hold);
  if ("short" in taken) {
    draft.patch(wanted.ordinal, { orderKey: null, flags: row.flags | STEP_FLAGS.STARVED });
    return undefined;
  }
  plan.account = taken.account;
  const { nowMs, storeEpoch } = draft.context;
  draft.move(wanted.ordinal, "LEASED", {
    executorId: wanted.executorId,
    sessionId: wanted.sessionId,
    attempt: row.attempt + 1,
    fencing: nextFencing(row.fencing, storeEpoch),
    startedMs: nowMs,
    deadlineMs: nowMs + row.timeoutMs,
    leaseUntilMs: wanted.leaseMs === null ? null : nowMs + wanted.leaseMs,
    notBeforeMs: null,
    undoing,
  });
  return draft.step(wanted.ordinal);
}

/** A lease ended without an outcome: its hold is presumed spent, and the step runs again or fails. */
export function loseLease(draft: PlanDraft, ordinal: number, fencing: number, failure: Failure): boolean {
  const row = draft.step(ordinal);
  if (!isLive(row, fencing)) return false;
  const { plan, context } = draft;
  const recordId = draft.newRecordId();
  const stopping = row.state === "STOPPING";
  plan.account = presumeHold(plan.account, holdOf(row));
  const result = stopping ? "stopped" : retryOrFail(draft, ordinal, failure);
  if (stopping) draft.move(ordinal, row.undoing ? "COMPENSATION_FAILED" : "CANCELLED");
  draft.addAttempt(
    {
      planId: plan.planId,
      ordinal,
      fencing,
      attempt: row.attempt,
      undoing: row.undoing,
      state: "LOST",
      executorId: row.executorId as ExecutorId,
      readyMs: row.readyMs ?? 0,
      leasedMs: row.startedMs ?? 0,
      endedMs: context.nowMs,
      outputs: null,
      outputsDigest: "",
      bodyDigest: null,
      failure,
      artifacts: [],
      logTail: "",
      hold: holdOf(row),
      usage: NOTHING,
      lateDigest: null,
      recordId,
    },
    null,
  );
  draft.record(
    failure.errorClass === "TIMEOUT" ? "lease.timed_out" : "lease.lost",
    {
      step: row.key,
      ordinal,
      fencing,
      attempt: row.attempt,
      executor: row.executorId,
      leased_at: row.startedMs,
      state: draft.step(ordinal).state,
      error_class: failure.errorClass,
      message: failure.message,
    },
    { id: recordId, actor: "maestro" },
  );
  afterAttempt(draft, ordinal, result, failure.message);
  draft.consequencesOf(recordId);
  return true;
}
