// Verbs of operators and approvers on a running plan, and the activation of a graph version. Not here: what executors cause.
import { exceeded, plus } from "../amounts.ts";
import type { Limits } from "../amounts.ts";
import type { Approval } from "../approval.ts";
import { belowUsed } from "../budget.ts";
import type { Constraints } from "../goal.ts";
import type { ApprovalId } from "../id.ts";
import { planHasEnded } from "../plan.ts";
import { refused } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";
import { hasEnded, hasNotBegun, STEP_FLAGS } from "../step.ts";
import type { StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { beginEnding, maybeFinish, stop, undoNext, withdrawApprovals } from "./ending.ts";
import { claim } from "./lease.ts";
import type { Claim } from "./lease.ts";
import { makeReady, requeue, unpark } from "./queue.ts";
import { arrive, CASCADE_LIMIT, settleDependents, withdraw } from "./ready.ts";
import { foresee } from "./resolve.ts";
import { reviveStep } from "./revive.ts";
import { MissingRows } from "./slice.ts";

/** A verb's refusal, or undefined when it was carried out. */
type Outcome = Refusal | undefined;

function conflict(kind: string, id: string, state: string, explanation: string): Refusal {
  return refused("STATE_CONFLICT", explanation, { metadata: { kind, id, state } }).refusal;
}

export function suspend(draft: PlanDraft): Outcome {
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

export function resume(draft: PlanDraft): Outcome {
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

export function cancel(draft: PlanDraft, reason: string, compensate: boolean): Outcome {
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
export function overdue(draft: PlanDraft): Outcome {
  const { plan } = draft;
  if (
    plan.deadlineMs === null ||
    plan.deadlineMs > draft.context.nowMs ||
    planHasEnded(plan.state) ||
    plan.ending !== null
  )
    return undefined;
  beginEnding(draft, "FAILED", "the deadline has passed", true);
  draft.record("plan.overdue", { deadline: plan.deadlineMs, reason: plan.reason }, { actor: "maestro" });
  return undefined;
}

export function retry(draft: PlanDraft, ordinal: number): Outcome {
  const row = draft.step(ordinal);
  const { plan } = draft;
  if (row.state === "BACKING_OFF" && plan.ending === null) {
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

/** While a cascade is under way, rows do not yet show who waits for whom. */
function stillCascading(draft: PlanDraft): Refusal | undefined {
  const { plan } = draft;
  // Where few steps are, none is ever left over.
  if (plan.nextOrdinal <= CASCADE_LIMIT) return undefined;
  if (draft.slice.cascade === undefined) throw new MissingRows({ cascade: true });
  if ((draft.slice.cascade?.frontier.length ?? 0) === 0) return undefined;
  return refused("STATE_CONFLICT", "Many steps of this plan are just being moved; try again in a moment.", {
    metadata: { kind: "plan", id: plan.planId, state: plan.state },
    lifter: "TIME",
    retryable: true,
  }).refusal;
}

export function skip(draft: PlanDraft, ordinal: number): Outcome {
  const row = draft.step(ordinal);
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

export function hold(draft: PlanDraft, ordinal: number): Outcome {
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

export function release(draft: PlanDraft, ordinal: number): Outcome {
  const row = draft.step(ordinal);
  if (!row.heldBack) return conflict("step", row.key, row.state, `Step ${row.key} is not held.`);
  draft.patch(ordinal, { heldBack: false });
  if (row.state === "WAITING") settleArrivals(draft, [ordinal]);
  maybeFinish(draft);
  return undefined;
}

export function decideApproval(draft: PlanDraft, approvalId: ApprovalId, approve: boolean, comment: string): Outcome {
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

export interface Activation {
  readonly version: number;
  /** Effective limits: the charter's and the goal's, or those of the re-plan. */
  readonly constraints: Constraints;
  /** Current rows that the version brings; they are stored already. */
  readonly added: number;
  /** Of these, the ones that wait for nothing and must be resolved or approved first. */
  readonly arrivals: readonly number[];
  /** Ended rows that stay and that new rows depend on. */
  readonly settled: readonly number[];
  /** Rows that the version drops or replaces. */
  readonly removed: readonly number[];
  /** Rows that stay and whose edges changed. */
  readonly rewired: readonly { readonly ordinal: number; readonly waitingOn: number }[];
  /** New rows that are READY already; the counters need no look at each. */
  readonly readyAtOnce: number;
  /** For some of the new rows that are READY already, executors that wait for them. */
  readonly claims: readonly Claim[];
  readonly traceparent: string;
}

/** Makes a version the active one: O(what it changes). */
export function activate(draft: PlanDraft, activation: Activation): Outcome {
  const { plan, context } = draft;
  const first = plan.activeVersion === 0;
  const { budget, deadlineMs, minTrust } = activation.constraints;
  const no = mayNotActivate(draft, budget);
  if (no !== undefined) return no;
  plan.account = {
    ...plan.account,
    currency: budget.currency,
    allotted: {
      tokens: budget.tokens,
      moneyMicros: budget.moneyMicros,
      wallMs: budget.wallMs,
      energyMillijoules: budget.energyMillijoules,
    },
  };
  plan.minTrust = minTrust;
  plan.activeVersion = activation.version;
  plan.pendingVersion = 0;
  if (plan.state !== "ACTIVE" && plan.state !== "SUSPENDED") draft.movePlan("ACTIVE");
  if (first) {
    plan.committedMs = context.nowMs;
    plan.traceparent = activation.traceparent;
  }
  plan.finishedMs = null;
  plan.reason = "";
  plan.deadlineMs = deadlineMs === null ? null : (plan.committedMs ?? context.nowMs) + deadlineMs;
  draft.setGoal({ state: "ACTIVE", finishedMs: null });
  const missing = [
    ...activation.removed,
    ...activation.rewired.map((r) => r.ordinal),
    ...activation.arrivals,
    ...activation.settled,
  ].filter((o) => draft.find(o) === undefined);
  if (missing.length > 0) throw new MissingRows({ steps: missing });
  plan.stepsTotal += activation.added;
  plan.nextOrdinal += activation.added;
  if (plan.state === "SUSPENDED") plan.stepsStarved += activation.readyAtOnce;
  let undo = false;
  for (const ordinal of activation.removed) undo = drop(draft, draft.step(ordinal)) || undo;
  for (const { ordinal, waitingOn } of activation.rewired) {
    if (draft.step(ordinal).state === "PENDING") draft.patch(ordinal, { waitingOn });
  }
  const rewired = activation.rewired.filter(
    ({ ordinal, waitingOn }) => waitingOn === 0 && draft.step(ordinal).state === "PENDING",
  );
  settleArrivals(draft, [...activation.arrivals, ...rewired.map(({ ordinal }) => ordinal)]);
  settleDependents(draft, activation.settled);
  if (undo) undoNext(draft);
  // More may be authorised than before.
  if (plan.state === "ACTIVE") unpark(draft);
  for (const wanted of activation.claims) claim(draft, wanted);
  maybeFinish(draft);
  return undefined;
}

function mayNotActivate(draft: PlanDraft, budget: Limits): Refusal | undefined {
  const { plan } = draft;
  if (plan.ending !== null || plan.state === "COMPENSATING" || plan.state === "CANCELLED") {
    return conflict(
      "plan",
      plan.planId,
      plan.ending ?? plan.state,
      "The plan was cancelled, or is ending; no version can become active.",
    );
  }
  const { held, spent, presumed } = plan.account;
  const used = plus(plus(held, spent), presumed);
  const [over] = exceeded(used, budget);
  if (over !== undefined) return belowUsed(over, used[over], budget[over] ?? 0).refusal;
  return stillCascading(draft);
}

/** A row that the new version does not have. True when it is to be undone. */
function drop(draft: PlanDraft, row: StepRow): boolean {
  const { plan } = draft;
  plan.stepsTotal -= 1;
  if (hasNotBegun(row.state) && !row.undoing) {
    if (row.state === "BACKING_OFF") draft.setTimer(row.ordinal, null);
    withdraw(draft, row.ordinal);
    draft.patch(row.ordinal, { current: false });
    draft.move(row.ordinal, "CANCELLED", { waitingOn: 0 });
    return false;
  }
  draft.patch(row.ordinal, { current: false });
  if (row.state === "LEASED" && !row.undoing) stop(draft, draft.step(row.ordinal), "dropped by a re-plan");
  return row.state === "SUCCEEDED";
}

function settleArrivals(draft: PlanDraft, ordinals: readonly number[]): void {
  foresee(draft, ordinals);
  settleDependents(
    draft,
    ordinals.filter((ordinal) => !hasEnded(draft.step(ordinal).state) && arrive(draft, ordinal) === "ended"),
  );
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
