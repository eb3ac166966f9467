// How steps become ready: an ended step releases or skips those that depend on it. Not here: leasing, see lease.ts.
import type { Approval } from "../approval.ts";
import type { ApprovalId } from "../id.ts";
import type { Failure } from "../outcome.ts";
import { planHasEnded } from "../plan.ts";
import { has, hasEnded, STEP_FLAGS } from "../step.ts";
import type { StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { beginEnding } from "./ending.ts";
import { endFailed, failsPlan } from "./failure.ts";
import { makeReady } from "./queue.ts";
import { foresee, resolveStep } from "./resolve.ts";
import { MissingRows } from "./slice.ts";
import type { ChildEdge } from "./slice.ts";

/** Steps that one transaction may move by a cascade; the rest is a durable work row. */
export const CASCADE_LIMIT = 1_000;

/** Levels that one transaction follows: each asks the store up to three times, and decisions may ask only so often. */
const LEVELS_LIMIT = 16;

/** Whether an ended step lets a dependent go on. */
export function allows(parent: Pick<StepRow, "state" | "flags">, regardless: boolean): boolean {
  if (regardless || parent.state === "SUCCEEDED") return true;
  return (parent.state === "FAILED" || parent.state === "REFUSED") && has(parent.flags, STEP_FLAGS.CARRY_ON);
}

/** Follows the edges of steps that just ended, and of those skipped on the way, breadth first; beyond the limit the rest is left to the cascade. */
export function settleDependents(
  draft: PlanDraft,
  endedOrdinals: readonly number[],
  resumeAt: number | null = null,
): void {
  const over = (): boolean => draft.plan.ending !== null || planHasEnded(draft.plan.state);
  if (over() || endedOrdinals.length === 0) return;
  const left = draft.cascade === undefined ? draft.slice.cascade : draft.cascade;
  if (left !== undefined && left !== null && left.frontier.length > 0) {
    // One cascade a plan: what ends meanwhile queues behind it.
    draft.cascade = { ...left, frontier: [...left.frontier, ...endedOrdinals] };
    return;
  }
  let frontier = endedOrdinals;
  let from = resumeAt;
  let followed = 0;
  let moved = 0;
  while (frontier.length > 0) {
    const chunk = frontier.slice(0, CASCADE_LIMIT);
    if (draft.levels >= LEVELS_LIMIT && !draft.slice.whole) {
      leaveRest(draft, frontier, from);
      return;
    }
    loadChildren(draft, chunk);
    foresee(draft, arriving(draft, chunk, from, moved));
    const next: number[] = [];
    const rest = (index: number): readonly number[] => [...frontier.slice(index), ...next];
    for (const [index, ordinal] of chunk.entries()) {
      if (followed >= CASCADE_LIMIT) {
        leaveRest(draft, rest(index), from);
        return;
      }
      followed += 1;
      const parent = draft.step(ordinal);
      for (const edge of edgesOf(draft, ordinal, from, moved)) {
        const child = draft.step(edge.to);
        if (hasEnded(child.state) || child.waitingOn === 0) continue;
        if (moved >= CASCADE_LIMIT) {
          leaveRest(draft, rest(index), edge.to);
          return;
        }
        moved += 1;
        if (!allows(parent, edge.regardless)) {
          draft.move(edge.to, "SKIPPED", { waitingOn: 0 });
          next.push(edge.to);
          continue;
        }
        draft.waitFor(edge.to, child.waitingOn - 1);
        if (child.waitingOn === 1 && arrive(draft, edge.to) === "ended") next.push(edge.to);
        if (over()) return;
      }
      from = null;
    }
    frontier = rest(chunk.length);
    // The first level of each end is loaded with the batch; only deeper ones are asked for.
    draft.levels += frontier.length > 0 ? 1 : 0;
  }
}

/** Edges to follow; in order of their targets when the limit may fall among them, so that a number says where to go on. */
function edgesOf(draft: PlanDraft, ordinal: number, from: number | null, moved: number): readonly ChildEdge[] {
  const edges = draft.children(ordinal);
  if (from === null && moved + edges.length <= CASCADE_LIMIT) return edges;
  return edges.filter((edge) => from === null || edge.to >= from).sort((a, b) => a.to - b.to);
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

/** A step that fails before it could be leased, by its condition, references or schema. True when it ended. */
function failFinally(draft: PlanDraft, ordinal: number, failure: Failure): boolean {
  const row = draft.step(ordinal);
  const result = endFailed(draft, ordinal, "FAILED", failure);
  draft.record(
    "step.failed",
    {
      step: row.key,
      ordinal,
      state: draft.step(ordinal).state,
      error_class: failure.errorClass,
      message: failure.message,
    },
    { actor: "maestro" },
  );
  if (result === "ended" && failsPlan(draft.definition(ordinal)))
    beginEnding(draft, "FAILED", `step ${row.key} failed: ${failure.message}`, true);
  return result === "ended";
}

function loadChildren(draft: PlanDraft, frontier: readonly number[]): void {
  if (draft.slice.whole) return;
  // Asked for all at once: one more round trip for a level of the cascade, not one for each step.
  const parentsMissing = frontier.filter((ordinal) => draft.find(ordinal) === undefined);
  const edgesMissing = frontier.filter((ordinal) => !draft.slice.children.has(ordinal));
  const rowsMissing = frontier.flatMap((ordinal) =>
    (draft.slice.children.get(ordinal) ?? []).filter((e) => draft.find(e.to) === undefined).map((e) => e.to),
  );
  if (parentsMissing.length + edgesMissing.length + rowsMissing.length > 0)
    throw new MissingRows({ childrenOf: edgesMissing, steps: [...parentsMissing, ...rowsMissing] });
}

/** Of the dependents that are followed next, those that will wait for nothing more; no more than one transaction may move. */
function arriving(
  draft: PlanDraft,
  frontier: readonly number[],
  from: number | null,
  moved: number,
): readonly number[] {
  const left = new Map<number, number>();
  let followed = moved;
  for (const [index, ordinal] of frontier.entries()) {
    for (const { to } of edgesOf(draft, ordinal, index === 0 ? from : null, followed)) {
      if (followed >= CASCADE_LIMIT) break;
      const child = draft.step(to);
      if (hasEnded(child.state) || child.waitingOn === 0) continue;
      followed += 1;
      left.set(to, (left.get(to) ?? child.waitingOn) - 1);
    }
  }
  return [...left].filter(([, waits]) => waits <= 0).map(([ordinal]) => ordinal);
}

function leaveRest(draft: PlanDraft, frontier: readonly number[], from: number | null): void {
  // What is left over already is not to be overwritten: decided again, with that at hand.
  if (draft.cascade === undefined && draft.slice.cascade === undefined) throw new MissingRows({ cascade: true });
  draft.cascade = { frontier, sweepFrom: from };
}

/** Withdraws the question that a step waits with. */
export function withdraw(draft: PlanDraft, ordinal: number): void {
  if (draft.step(ordinal).state !== "AWAITING_APPROVAL") return;
  for (const approval of draft.pendingApprovals()) {
    if (approval.ordinal === ordinal)
      draft.setApproval({ ...approval, state: "WITHDRAWN", decidedMs: draft.context.nowMs, decidedBy: draft.actor });
  }
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
