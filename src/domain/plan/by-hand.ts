// What a step came to, said by an operator instead of an executor. Not here: outcomes of executors, see report.ts.
import { NOTHING } from "../amounts.ts";
import type { Amounts } from "../amounts.ts";
import { conforms } from "../expression/schema.ts";
import { passedByNobody } from "../gate.ts";
import type { ExecutorId, RecordId } from "../id.ts";
import { outcomeDigest } from "../outcome.ts";
import type { Attempt, AttemptState, Failure, OutcomeResult } from "../outcome.ts";
import { planHasEnded, presumeHold, settleHold } from "../plan.ts";
import { invalid, refused } from "../refusal.ts";
import { has, hasEnded, hasNotBegun, nextFencing, STEP_FLAGS } from "../step.ts";
import type { StepRow, StepState } from "../step.ts";
import { afterAttempt, letSuccessorGo } from "./consequences.ts";
import type { PlanDraft } from "./draft.ts";
import { maybeFinish } from "./ending.ts";
import { holdOf, leaseOf } from "./live.ts";
import { withdraw } from "./ready.ts";
import { reviveStep } from "./revive.ts";
import { conflict, stillCascading } from "./verb.ts";
import type { Verdict } from "./verb.ts";

/** Who performs what is resolved by hand: no executor. */
export const NOBODY = "00000000-0000-0000-0000-000000000000" as ExecutorId;

export interface ByHand {
  readonly ordinal: number;
  readonly reason: string;
  readonly result: Extract<OutcomeResult, { readonly kind: "success" | "failure" }>;
  /** What the step used, as far as it is known; null when it is not. */
  readonly usage: Amounts | null;
  /** Fencing number that the operator saw; zero for whichever. */
  readonly fencing: number;
}

/**
 * Says what a step came to; its attempt is named by the record.
 *
 * For steps that wait, fail, or are leased to somebody who never answers. It is an attempt of its own, by nobody, with a fencing
 * number of its own: whatever held the step before has an old number, so its report is evidence. A lease ends with it: its executor
 * is told to stop, and its hold is settled with the usage that is said, or presumed spent until a late report settles it. The word
 * is final: a failure is neither retried nor asked about, and follows the step's rule; a failed step that succeeded after all
 * takes the plan up again as a retry would. Undoing is resolved alike, and a plan that has ended stays ended by that.
 */
export function resolveByHand(draft: PlanDraft, wanted: ByHand, recordId: RecordId): Verdict {
  const row = draft.step(wanted.ordinal);
  const no = mayResolve(draft, row, wanted);
  if (no !== undefined) return no;
  const failed = row.state === "FAILED" || row.state === "REFUSED";
  if (failed) {
    const refusal =
      stillCascading(draft) ?? reviveStep(draft, row.ordinal, () => void settle(draft, row, wanted, recordId));
    if (refusal === undefined) maybeFinish(draft);
    return refusal;
  }
  const had = hasEnded(row.state) && row.state !== "COMPENSATING";
  const state = settle(draft, row, wanted, recordId);
  // What had ended before sets nothing in motion, but for whoever waited for it to be undone.
  if (had) {
    letSuccessorGo(draft, row.ordinal);
    maybeFinish(draft);
    return undefined;
  }
  const message = wanted.result.kind === "failure" ? wanted.result.failure.message : "";
  afterAttempt(draft, row.ordinal, state === "CANCELLED" ? "stopped" : "ended", message);
  return undefined;
}

function mayResolve(draft: PlanDraft, row: StepRow, { result, fencing }: ByHand): Verdict {
  const { plan } = draft;
  if (has(row.flags, STEP_FLAGS.GATE)) return passedByNobody(row.key, row.state);
  if (fencing !== 0 && fencing !== row.fencing)
    return refused("STALE_LEASE", `Step ${row.key} was leased again since: look at it first.`, {
      metadata: { expected: String(row.fencing), actual: String(fencing) },
      lifter: "CALLER",
    }).refusal;
  const leased = row.state === "LEASED" || row.state === "STOPPING";
  const over = plan.ending !== null || planHasEnded(plan.state);
  const revivable = plan.ending === null && (!planHasEnded(plan.state) || plan.state === "FAILED");
  const succeeded = result.kind === "success";
  const open = row.undoing
    ? row.state !== "COMPENSATED" && (succeeded || row.state !== "COMPENSATION_FAILED")
    : leased ||
      (hasNotBegun(row.state) && !over) ||
      (succeeded && row.current && revivable && (row.state === "FAILED" || row.state === "REFUSED"));
  if (!open) {
    const why = row.undoing || !over ? "" : ` and its plan ${planHasEnded(plan.state) ? "has ended" : "is ending"}`;
    return conflict(
      "step",
      row.key,
      row.state,
      `Step ${row.key} is ${row.state}${why}: there is nothing to resolve as a ${result.kind}.`,
      row.state === "SUCCEEDED" ? "Run it again." : "",
    );
  }
  if (!succeeded || row.undoing || !has(row.flags, STEP_FLAGS.OUTPUT_SCHEMA)) return undefined;
  const text = result.outputs?.kind === "json" ? result.outputs.text : "null";
  const checked = conforms(draft.definition(row.ordinal).outputSchema, text);
  if (checked.ok) return undefined;
  return invalid({
    field: "success.outputs",
    description: `must satisfy the step's output_schema: ${checked.message}`,
    rule: "step.output_schema",
  }).refusal;
}

/** Ends the lease, if there is one, and writes the attempt. */
function settle(draft: PlanDraft, row: StepRow, wanted: ByHand, recordId: RecordId): StepState {
  const { ordinal } = row;
  const { nowMs, storeEpoch } = draft.context;
  const { result } = wanted;
  const leased = row.state === "LEASED" || row.state === "STOPPING";
  if (leased) endLease(draft, row, wanted);
  // Outside of a lease nothing was held for it: all of it goes on top, as whatever exceeds its hold.
  const usage = leased ? NOTHING : (wanted.usage ?? NOTHING);
  draft.plan.account = settleHold(draft.plan.account, NOTHING, usage);
  if (row.state === "BACKING_OFF") draft.setTimer(ordinal, null);
  withdraw(draft, ordinal);
  const state = stateAfter(row, result.kind);
  const fencing = nextFencing(row.fencing, storeEpoch);
  const attempt = row.attempt + 1;
  draft.move(ordinal, state, { fencing, attempt, failures: 0, waitingOn: 0, notBeforeMs: null, heldBack: false });
  const outputs = result.kind === "success" ? result : null;
  draft.addAttempt(
    {
      ...attemptOf(draft, row, {
        state: outputs === null ? "FAILED" : "SUCCEEDED",
        failure: result.kind === "failure" ? result.failure : null,
        executorId: NOBODY,
        usage,
        hold: NOTHING,
        recordId,
      }),
      fencing,
      attempt,
      leasedMs: nowMs,
      readyMs: row.readyMs ?? nowMs,
      outputs: outputs?.outputs ?? null,
      outputsDigest: outputs?.outputsDigest ?? "",
      bodyDigest: outcomeDigest({ lease: { ...leaseOf(draft, row), fencing }, result, usage, artifacts: [] }),
    },
    outputsText(wanted),
  );
  return state;
}

/** JSON text of the outputs, for references and the record; null for none. */
export function outputsText({ result }: ByHand): string | null {
  return result.kind === "success" && result.outputs?.kind === "json" ? result.outputs.text : null;
}

function stateAfter(row: StepRow, kind: "success" | "failure"): StepState {
  if (row.undoing) return kind === "success" ? "COMPENSATED" : "COMPENSATION_FAILED";
  if (kind === "success") return "SUCCEEDED";
  // It was told to stop: short of success, it has stopped.
  return row.state === "STOPPING" ? "CANCELLED" : "FAILED";
}

/** The lease's own attempt: lost, or stopped with the usage that is said of it. */
function endLease(draft: PlanDraft, row: StepRow, { reason, usage, result }: ByHand): void {
  const { plan, context } = draft;
  const heldMs = context.nowMs - (row.startedMs ?? context.nowMs);
  const used = usage === null ? null : { ...usage, wallMs: Math.max(usage.wallMs, heldMs) };
  const hold = holdOf(row);
  plan.account = used === null ? presumeHold(plan.account, hold) : settleHold(plan.account, hold, used);
  const failure: Failure = { errorClass: "CANCELLED", message: `resolved by hand: ${reason}`, details: "" };
  const recordId = draft.newRecordId();
  const lease = leaseOf(draft, row);
  if (row.executorId !== null && row.sessionId !== null && row.state === "LEASED")
    draft.stops.push({ lease, executorId: row.executorId, sessionId: row.sessionId, reason: failure.message });
  draft.addAttempt(
    {
      ...attemptOf(draft, row, {
        state: used === null ? "LOST" : "STOPPED",
        failure,
        executorId: row.executorId as ExecutorId,
        usage: used ?? NOTHING,
        hold,
        recordId,
      }),
      // Nobody reported: without a digest, a report that still comes settles what is presumed.
      bodyDigest: used === null ? null : outcomeDigest({ lease, result, usage: used, artifacts: [] }),
    },
    null,
  );
  draft.record(
    "lease.ended",
    {
      step: row.key,
      ordinal: row.ordinal,
      fencing: row.fencing,
      attempt: row.attempt,
      executor: row.executorId,
      leased_at: row.startedMs,
      ...(used === null ? {} : { usage: used }),
      message: failure.message,
    },
    { id: recordId },
  );
}

function attemptOf(
  draft: PlanDraft,
  row: StepRow,
  said: Pick<Attempt, "failure" | "executorId" | "usage" | "hold" | "recordId"> & { readonly state: AttemptState },
): Attempt {
  return {
    planId: draft.plan.planId,
    ordinal: row.ordinal,
    fencing: row.fencing,
    attempt: row.attempt,
    undoing: row.undoing,
    readyMs: row.readyMs ?? 0,
    leasedMs: row.startedMs ?? 0,
    endedMs: draft.context.nowMs,
    outputs: null,
    outputsDigest: "",
    bodyDigest: null,
    artifacts: [],
    logTail: "",
    lateDigest: null,
    ...said,
  };
}
