// Verbs of operators and approvers on a running plan. Not here: new rows (activation.ts, rerun.ts), outcomes by hand (by-hand.ts),
// and what executors cause.
import type { Approval } from "../approval.ts";
import { passedByNobody } from "../gate.ts";
import type { ApprovalId } from "../id.ts";
import { planHasEnded } from "../plan.ts";
import { refused } from "../refusal.ts";
import { has, hasNotBegun, STEP_FLAGS } from "../step.ts";
import { settleArrivals } from "./activation.ts";
import type { PlanDraft } from "./draft.ts";
import { beginEnding, maybeFinish, undoAgain, withdrawApprovals } from "./ending.ts";
import { makeReady, requeue, unpark } from "./queue.ts";
import { settleDependents, withdraw } from "./ready.ts";
import { reviveStep } from "./revive.ts";
import { conflict, stillCascading } from "./verb.ts";
import type { Verdict } from "./verb.ts";

export function suspend(draft: PlanDraft): Verdict {
  if (draft.plan.state !== "ACTIVE")
    return conflict(
      "plan",
      draft.plan.planId,
      draft.plan.state,
      `A plan that is ${draft.plan.state} cannot be suspended.`,
    );
  if (draft.plan.ending !== null)
    return conflict("plan", draft.plan.planId, draft.plan.ending, "The plan is ending; it cannot be suspended.");
  // Ready steps leave the ready set one by one, when somebody would lease them: suspending stays O(1).
  draft.movePlan("SUSPENDED");
  return undefined;
}

export function resume(draft: PlanDraft): Verdict {
  if (draft.plan.state !== "SUSPENDED")
    return conflict(
      "plan",
      draft.plan.planId,
      draft.plan.state,
      `A plan that is ${draft.plan.state} cannot be resumed.`,
    );
  draft.movePlan("ACTIVE");
  unpark(draft);
  return undefined;
}

export function cancel(draft: PlanDraft, reason: string, compensate: boolean): Verdict {
  const { plan } = draft;
  if (planHasEnded(plan.state) || plan.ending !== null)
    return conflict("plan", plan.planId, plan.ending ?? plan.state, "The plan has ended, or is ending already.");
  if (plan.state === "AWAITING_RATIFICATION" || plan.activeVersion === 0) {
    draft.movePlan("CANCELLED");
    plan.finishedMs = draft.context.nowMs;
    plan.reason = reason;
    withdrawApprovals(draft, draft.actor);
    draft.setGoal({ state: "CANCELLED", finishedMs: draft.context.nowMs });
    return undefined;
  }
  beginEnding(draft, "CANCELLED", reason === "" ? "cancelled" : reason, compensate);
  return undefined;
}

/** The deadline has passed: the plan fails, and what is done is undone. */
export function overdue(draft: PlanDraft): Verdict {
  const { plan } = draft;
  if (
    plan.deadlineMs === null ||
    plan.deadlineMs > draft.context.nowMs ||
    planHasEnded(plan.state) ||
    plan.ending !== null ||
    // Only an effect that was replaced is still being undone: nothing that was wanted is late.
    plan.stepsEnded >= plan.stepsTotal
  )
    return undefined;
  beginEnding(draft, "FAILED", "the deadline has passed", true);
  draft.record("plan.overdue", { deadline: plan.deadlineMs, reason: plan.reason }, { actor: "maestro" });
  return undefined;
}

export function retry(draft: PlanDraft, ordinal: number): Verdict {
  const row = draft.step(ordinal);
  const { plan } = draft;
  if (row.state === "COMPENSATION_FAILED") return undoAgain(draft, row);
  if (row.state === "BACKING_OFF" && (plan.ending === null || row.undoing)) {
    draft.setTimer(ordinal, null);
    requeue(draft, ordinal);
    draft.patch(ordinal, { notBeforeMs: null });
    return undefined;
  }
  if (!row.current || (row.state !== "FAILED" && row.state !== "REFUSED"))
    return conflict("step", row.key, row.state, `Step ${row.key} is ${row.state}: there is nothing to retry.`);
  if (plan.ending !== null || (planHasEnded(plan.state) && plan.state !== "FAILED"))
    return conflict("plan", plan.planId, plan.ending ?? plan.state, "The plan has ended otherwise, or is ending.");
  const no = stillCascading(draft) ?? reviveStep(draft, ordinal);
  if (no === undefined) maybeFinish(draft);
  return no;
}

export function skip(draft: PlanDraft, ordinal: number): Verdict {
  const row = draft.step(ordinal);
  if (has(row.flags, STEP_FLAGS.GATE)) return passedByNobody(row.key, row.state);
  if (!hasNotBegun(row.state) || row.undoing)
    return conflict(
      "step",
      row.key,
      row.state,
      `Step ${row.key} is ${row.state}: only a step that has not begun can be skipped.`,
    );
  if (row.state === "BACKING_OFF") draft.setTimer(ordinal, null);
  withdraw(draft, ordinal);
  draft.move(ordinal, "SKIPPED", { waitingOn: 0 });
  settleDependents(draft, [ordinal]);
  maybeFinish(draft);
  return undefined;
}

export function hold(draft: PlanDraft, ordinal: number): Verdict {
  const row = draft.step(ordinal);
  if (!hasNotBegun(row.state) || row.undoing)
    return conflict(
      "step",
      row.key,
      row.state,
      `Step ${row.key} is ${row.state}: only a step that has not begun can be held.`,
    );
  if (row.heldBack) return conflict("step", row.key, row.state, `Step ${row.key} is held already.`);
  if (row.state === "PENDING") draft.patch(ordinal, { heldBack: true });
  else {
    if (
      row.state === "AWAITING_APPROVAL" &&
      draft.pendingApprovals().some((a) => a.ordinal === ordinal && a.subject === "FAILURE")
    ) {
      return conflict(
        "step",
        row.key,
        row.state,
        `Step ${row.key} failed and waits for an approver's answer; holding it would pass that over.`,
      );
    }
    if (row.state === "BACKING_OFF") draft.setTimer(ordinal, null);
    withdraw(draft, ordinal);
    draft.move(ordinal, "WAITING", { heldBack: true });
  }
  return undefined;
}

export function release(draft: PlanDraft, ordinal: number): Verdict {
  const row = draft.step(ordinal);
  if (!row.heldBack) return conflict("step", row.key, row.state, `Step ${row.key} is not held.`);
  draft.patch(ordinal, { heldBack: false });
  if (row.state === "WAITING") settleArrivals(draft, [ordinal]);
  maybeFinish(draft);
  return undefined;
}

export function decideApproval(draft: PlanDraft, approvalId: ApprovalId, approve: boolean, comment: string): Verdict {
  const approval = draft.pendingApprovals().find((a) => a.approvalId === approvalId);
  if (approval === undefined)
    return refused("NOT_FOUND", `There is no pending approval ${approvalId}.`, {
      metadata: { kind: "approval", id: approvalId },
    }).refusal;
  const { actor } = draft;
  const { nowMs } = draft.context;
  const decidedApproval: Approval = {
    ...approval,
    state: approve ? "APPROVED" : "REJECTED",
    decidedBy: actor,
    decidedMs: nowMs,
    comment,
  };
  draft.setApproval(decidedApproval);
  if (approval.ordinal === null) {
    if (!approve) rejectCommit(draft);
    return undefined;
  }
  const row = draft.step(approval.ordinal);
  if (row.state !== "AWAITING_APPROVAL")
    return conflict("step", row.key, row.state, `Step ${row.key} no longer waits for this approval.`);
  if (approval.subject === "STEP") {
    if (approve) {
      draft.patch(row.ordinal, { flags: row.flags | STEP_FLAGS.APPROVED });
      makeReady(draft, row.ordinal);
    } else {
      draft.move(row.ordinal, "SKIPPED");
      settleDependents(draft, [row.ordinal]);
    }
  } else if (approve) {
    draft.patch(row.ordinal, { failures: 0 });
    makeReady(draft, row.ordinal);
  } else {
    draft.move(row.ordinal, "FAILED");
    beginEnding(draft, "FAILED", `step ${row.key} failed, and ${actor} rejected another attempt`, true);
  }
  maybeFinish(draft);
  return undefined;
}

function rejectCommit(draft: PlanDraft): void {
  const { plan } = draft;
  plan.pendingVersion = 0;
  if (plan.state === "AWAITING_RATIFICATION") draft.movePlan("UNCOMMITTED");
}

export interface Ratification {
  readonly version: number;
  readonly digest: string;
  readonly question: string;
  readonly requestedBy: string;
  readonly context: string;
}

/** A commit waits for ratification: one question at a time. */
export function requestRatification(draft: PlanDraft, wanted: Ratification): { readonly approvalId: ApprovalId } {
  const { plan, context } = draft;
  for (const approval of draft.pendingApprovals()) {
    if (approval.subject === "COMMIT")
      draft.setApproval({ ...approval, state: "WITHDRAWN", decidedMs: context.nowMs, decidedBy: draft.actor });
  }
  const approvalId = context.newId() as ApprovalId;
  draft.setApproval({
    orgId: plan.orgId,
    planId: plan.planId,
    approvalId,
    subject: "COMMIT",
    ordinal: null,
    step: "",
    version: wanted.version,
    digest: wanted.digest,
    state: "PENDING",
    question: wanted.question,
    requestedBy: wanted.requestedBy,
    requestedMs: context.nowMs,
    decidedBy: null,
    decidedMs: null,
    comment: "",
    context: wanted.context,
  });
  plan.pendingVersion = wanted.version;
  if (plan.state === "UNCOMMITTED") draft.movePlan("AWAITING_RATIFICATION");
  return { approvalId };
}
