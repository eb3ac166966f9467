// How plans end: completion, failure, cancellation, compensation in reverse order. Sweeps of large plans go on in chunks.
import { demandOf } from "../demand.ts";
import { payloadText } from "../payload.ts";
import { planHasEnded } from "../plan.ts";
import { refused } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";
import { hasNotBegun } from "../step.ts";
import type { StepRow } from "../step.ts";
import { isCompensable } from "./draft.ts";
import type { PlanDraft } from "./draft.ts";
import { leaseOf } from "./live.ts";
import { orderKeyAt, unpark } from "./queue.ts";
import { resolveCompensation } from "./resolve.ts";
import { MissingRows } from "./slice.ts";

/** Steps that one transaction sweeps. */
export const SWEEP_LIMIT = 1_000;

/** The plan is to end: what has not begun is cancelled, what runs is told to stop; then it is undone, if asked, and ends. */
export function beginEnding(
  draft: PlanDraft,
  ending: "FAILED" | "CANCELLED",
  reason: string,
  compensate: boolean,
): void {
  const { plan } = draft;
  if (plan.ending !== null || planHasEnded(plan.state)) return;
  plan.ending = ending;
  plan.reason = reason.slice(0, 4_096);
  plan.compensate = compensate;
  draft.cascade = { frontier: [], sweepFrom: 1 };
  withdrawApprovals(draft, "maestro");
  if (plan.state === "SUSPENDED") {
    // Ending lifts the suspension; what was being undone goes on.
    draft.movePlan("ACTIVE");
    unpark(draft);
  }
  // A small plan is swept here and now; a large one by the cascade worker, chunk by chunk.
  if (plan.nextOrdinal <= SWEEP_LIMIT) sweep(draft);
}

/** Sweeps one chunk of an ending plan. */
export function sweep(draft: PlanDraft): void {
  const from = draft.cascade?.sweepFrom ?? null;
  if (from === null) return;
  if (draft.plan.ending === null) {
    // The plan ended before its last chunk, all of which had ended by itself; it may run again by now.
    draft.cascade = null;
    return;
  }
  const last = Math.min(from + SWEEP_LIMIT, draft.plan.nextOrdinal) - 1;
  const ordinals = Array.from({ length: Math.max(0, last - from + 1) }, (_, i) => from + i);
  const missing = ordinals.filter((o) => draft.find(o) === undefined);
  if (missing.length > 0) throw new MissingRows({ steps: ordinals });
  for (const ordinal of ordinals) {
    const row = draft.step(ordinal);
    if (hasNotBegun(row.state) && !row.undoing) {
      if (row.state === "BACKING_OFF") draft.setTimer(ordinal, null);
      draft.move(ordinal, "CANCELLED", { waitingOn: 0 });
    } else if (row.state === "LEASED" && !row.undoing) {
      stop(draft, row, draft.plan.reason);
    }
  }
  draft.cascade = last + 1 < draft.plan.nextOrdinal ? { frontier: [], sweepFrom: last + 1 } : null;
  maybeFinish(draft);
}

/** Tells a running attempt to stop; hold and fencing stand until its outcome or the lease's end. */
export function stop(draft: PlanDraft, row: StepRow, reason: string): void {
  draft.move(row.ordinal, "STOPPING");
  if (row.executorId !== null && row.sessionId !== null) {
    draft.stops.push({ lease: leaseOf(draft, row), executorId: row.executorId, sessionId: row.sessionId, reason });
  }
}

/** Ends the plan if nothing is left to wait for; begins the compensation when that is what is left. */
export function maybeFinish(draft: PlanDraft): void {
  const { plan } = draft;
  if (planHasEnded(plan.state) || plan.activeVersion === 0 || plan.state === "UNCOMMITTED") return;
  // A sweep that is still under way leaves steps that have not ended, so counting them is enough.
  if (plan.stepsRunning > 0 || plan.stepsEnded < plan.stepsTotal) return;
  if (plan.ending === null) finish(draft, "COMPLETED");
  else if (!plan.compensate || !undoNext(draft)) finish(draft, plan.ending);
}

/**
 * Begins to undo the done step that finished last, of those to be undone; false when there is none.
 * While a plan ends, that is every compensable done step; otherwise those that a re-plan dropped. One at a time:
 * reverse order of what really ran is the order of ends, whatever the graph says now.
 */
export function undoNext(draft: PlanDraft): boolean {
  const { plan } = draft;
  const { undo } = draft.slice;
  if (undo === null) throw new MissingRows({ undo: true });
  if (undo.busy !== null && isUndoing(draft.step(undo.busy))) return true;
  if ([...draft.changedSteps.values()].some(isUndoing)) return true;
  const candidates = [...draft.changedSteps.values()].filter((row) => mayUndo(draft, row));
  for (const ordinal of undo.candidates) {
    const row = draft.step(ordinal);
    if (mayUndo(draft, row)) candidates.push(row);
  }
  const next = candidates.sort((a, b) => (b.finishedMs ?? 0) - (a.finishedMs ?? 0) || b.ordinal - a.ordinal)[0];
  if (next === undefined) return false;
  if (plan.ending !== null && plan.state !== "COMPENSATING") draft.movePlan("COMPENSATING");
  const { compensation } = draft.definition(next.ordinal);
  if (compensation === null) throw new Error(`step ${next.key} is marked compensable and has no compensation`);
  const input = payloadText(resolveCompensation(draft, next.ordinal, compensation));
  draft.setInput({ ordinal: next.ordinal, undoing: true, input, effectiveDigest: "" });
  beginUndo(draft, next.ordinal);
  return true;
}

/** Tries again to undo what could not be undone, with the input that it had; a plan that had ended takes its ending up again. */
export function undoAgain(draft: PlanDraft, row: StepRow): Refusal | undefined {
  const { plan } = draft;
  const { undo } = draft.slice;
  if (undo === null) throw new MissingRows({ undo: true });
  if (undo.busy !== null && isUndoing(draft.step(undo.busy)))
    return refused(
      "STATE_CONFLICT",
      "Another effect of this plan is being undone; this one can be tried again after it.",
      {
        metadata: { kind: "step", id: row.key, state: row.state },
        lifter: "TIME",
        retryable: true,
      },
    ).refusal;
  if (plan.state === "FAILED" || plan.state === "CANCELLED") {
    // The goal has ended with it and stays so: only its undoing goes on.
    plan.ending = plan.state;
    plan.finishedMs = null;
    draft.movePlan("COMPENSATING");
  } else if (plan.state === "COMPLETED") {
    // A row that a re-plan or rerun dropped: the plan was complete but for this, and completes again.
    plan.finishedMs = null;
    draft.movePlan("ACTIVE");
    draft.setGoal({ state: "ACTIVE", finishedMs: null });
  }
  beginUndo(draft, row.ordinal);
  return undefined;
}

function isUndoing(row: StepRow): boolean {
  return row.undoing && (row.state === "COMPENSATING" || row.state === "LEASED" || row.state === "BACKING_OFF");
}

export function mayUndo(draft: PlanDraft, row: StepRow): boolean {
  return (
    row.state === "SUCCEEDED" &&
    isCompensable(row) &&
    (!row.current || (draft.plan.ending !== null && draft.plan.compensate))
  );
}

function beginUndo(draft: PlanDraft, ordinal: number): void {
  const compensation = draft.definition(ordinal).compensation;
  if (compensation === null) throw new Error(`step ${String(ordinal)} is marked compensable and has no compensation`);
  draft.move(ordinal, "COMPENSATING", {
    undoing: true,
    failures: 0,
    timeoutMs: compensation.timeoutMs,
    demandId: demandOf(draft.plan.orgId, compensation.capability, {}, draft.plan.minTrust).demandId,
    readyMs: draft.context.nowMs,
    orderKey: orderKeyAt(draft.plan, draft.context.nowMs, draft.step(ordinal).boostMs, ordinal),
  });
  draft.ready.push(ordinal);
}

function finish(draft: PlanDraft, state: "COMPLETED" | "FAILED" | "CANCELLED"): void {
  const { plan, context } = draft;
  draft.movePlan(state);
  plan.finishedMs = context.nowMs;
  plan.ending = null;
  draft.setGoal({ state: state === "COMPLETED" ? "ACHIEVED" : state, finishedMs: context.nowMs });
  draft.record(
    `plan.${state.toLowerCase()}`,
    {
      plan_state: state,
      reason: plan.reason,
      spent: plan.account.spent,
      overrun: plan.account.overrun,
      presumed: plan.account.presumed,
    },
    { actor: "maestro" },
  );
}

/** A plan that ends asks nothing any more; a version that waited for ratification will not get it. */
export function withdrawApprovals(draft: PlanDraft, decidedBy: string): void {
  for (const approval of draft.pendingApprovals()) {
    draft.setApproval({ ...approval, state: "WITHDRAWN", decidedMs: draft.context.nowMs, decidedBy });
  }
  draft.plan.pendingVersion = 0;
}
