// How steps become ready: an ended step releases or skips those that depend on it. Not here: leasing, see lease.ts.
import type { Approval } from "../approval.ts";
import type { ApprovalId } from "../id.ts";
import { has, hasEnded, STEP_FLAGS } from "../step.ts";
import type { StepRow } from "../step.ts";
import { CHANGES_LIMIT } from "./draft.ts";
import type { PlanDraft } from "./draft.ts";
import { failFinally } from "./failure.ts";
import { resolveStep } from "./resolve.ts";
import { MissingRows } from "./slice.ts";

/** Steps that one transaction may move by a cascade; the rest is a durable work row. */
export const CASCADE_LIMIT = 1_000;

/** Whether an ended step lets a dependent go on. */
export function allows(parent: StepRow, regardless: boolean): boolean {
  if (regardless || parent.state === "SUCCEEDED") return true;
  return (parent.state === "FAILED" || parent.state === "REFUSED") && has(parent.flags, STEP_FLAGS.CARRY_ON);
}

/** Follows the edges of steps that just ended, and of those skipped on the way, breadth first. */
export function settleDependents(draft: PlanDraft, endedOrdinals: readonly number[]): void {
  if (draft.plan.ending !== null) return;
  let frontier: readonly number[] = endedOrdinals;
  let moved = 0;
  while (frontier.length > 0) {
    loadChildren(draft, frontier);
    const next: number[] = [];
    for (const [index, ordinal] of frontier.entries()) {
      if (moved >= CASCADE_LIMIT || moved >= CHANGES_LIMIT) {
        leaveRest(draft, [...frontier.slice(index), ...next]);
        return;
      }
      const parent = draft.step(ordinal);
      for (const edge of draft.children(ordinal)) {
        const child = draft.step(edge.to);
        if (hasEnded(child.state) || child.waitingOn === 0) continue;
        moved += 1;
        if (!allows(parent, edge.regardless)) {
          draft.move(edge.to, "SKIPPED", { waitingOn: 0 });
          next.push(edge.to);
          continue;
        }
        draft.waitFor(edge.to, child.waitingOn - 1);
        if (child.waitingOn === 1 && arrive(draft, edge.to) === "ended") next.push(edge.to);
        if (draft.plan.ending !== null) return;
      }
    }
    frontier = next;
  }
}

/**
 * A step waits for nothing any more: its condition and references are resolved, and it becomes READY, or waits for
 * approval or a release. Says whether it ended instead (condition false, or it failed with a rule that skips).
 */
export function arrive(draft: PlanDraft, ordinal: number): "waits" | "ended" {
  const row = draft.step(ordinal);
  if (has(row.flags, STEP_FLAGS.DYNAMIC)) {
    const resolved = resolveStep(draft, row);
    if (resolved.kind === "skip") {
      draft.move(ordinal, "SKIPPED");
      return "ended";
    }
    if (resolved.kind === "failed") {
      return failFinally(draft, ordinal, resolved.failure) ? "ended" : "waits";
    }
  }
  if (row.heldBack) {
    if (row.state !== "WAITING") draft.move(ordinal, "WAITING");
    return "waits";
  }
  if (has(row.flags, STEP_FLAGS.REQUIRES_APPROVAL) && !has(row.flags, STEP_FLAGS.APPROVED)) {
    if (row.state !== "AWAITING_APPROVAL") draft.move(ordinal, "AWAITING_APPROVAL");
    askForStep(draft, ordinal);
    return "waits";
  }
  makeReady(draft, ordinal);
  return "waits";
}

/** READY, and in the ready set unless the plan is suspended: order is ready time less the boost, so waiting ages it. */
export function makeReady(draft: PlanDraft, ordinal: number): void {
  const row = draft.step(ordinal);
  const { nowMs } = draft.context;
  const orderKey = draft.plan.state === "SUSPENDED" ? null : orderKeyAt(nowMs, row.boostMs, ordinal);
  if (row.state === "READY") draft.patch(ordinal, { orderKey, readyMs: nowMs });
  else draft.move(ordinal, "READY", { orderKey, readyMs: nowMs });
  if (orderKey !== null) draft.ready.push(ordinal);
}

/** Epoch microseconds of a moment less the boost; the ordinal breaks ties within a plan. */
export function orderKeyAt(readyMs: number, boostMs: number, ordinal: number): number {
  return (readyMs - boostMs) * 1_000 + (ordinal % 1_000);
}

/** Puts parked steps back into the ready set. With a limit, only that many: the others would only starve again. */
export function unpark(draft: PlanDraft, limit = Number.POSITIVE_INFINITY): void {
  if (draft.plan.stepsStarved === 0) return;
  if (draft.slice.parked === null) throw new MissingRows({ parked: true });
  let left = limit;
  for (const ordinal of draft.slice.parked) {
    const row = draft.step(ordinal);
    if (left <= 0) return;
    if ((row.state !== "READY" && row.state !== "COMPENSATING") || row.orderKey !== null) continue;
    left -= 1;
    draft.patch(ordinal, { orderKey: orderKeyAt(row.readyMs ?? draft.context.nowMs, row.boostMs, ordinal), flags: row.flags & ~STEP_FLAGS.STARVED });
    draft.ready.push(ordinal);
  }
}

function loadChildren(draft: PlanDraft, frontier: readonly number[]): void {
  if (draft.slice.whole) return;
  // Asked for all at once: one more round trip for a level of the cascade, not one for each step.
  const edgesMissing = frontier.filter((ordinal) => !draft.slice.children.has(ordinal));
  const rowsMissing = frontier.flatMap((ordinal) => (draft.slice.children.get(ordinal) ?? []).filter((e) => draft.find(e.to) === undefined).map((e) => e.to));
  if (edgesMissing.length + rowsMissing.length > 0) throw new MissingRows({ childrenOf: edgesMissing, steps: rowsMissing });
}

function leaveRest(draft: PlanDraft, frontier: readonly number[]): void {
  draft.cascade = { frontier, sweepFrom: null };
}

function askForStep(draft: PlanDraft, ordinal: number): void {
  const row = draft.step(ordinal);
  const approval: Approval = {
    orgId: draft.plan.orgId,
    planId: draft.plan.planId,
    approvalId: draft.context.newId() as ApprovalId,
    subject: "STEP",
    ordinal,
    step: row.key,
    version: row.version,
    digest: `step:${draft.plan.planId}:${String(ordinal)}:${String(row.version)}`,
    state: "PENDING",
    question: `May step ${row.key} run?`,
    requestedBy: draft.actor,
    requestedMs: draft.context.nowMs,
    decidedBy: null,
    decidedMs: null,
    comment: "",
    context: "{}",
  };
  draft.setApproval(approval);
}
