// Running a failed step again, with what was skipped or cancelled because of it. Not here: backoffs, see failure.ts.
import { refused } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";
import { hasEnded } from "../step.ts";
import type { StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { allows, arrive, makeReady, settleDependents } from "./ready.ts";
import { MissingRows } from "./slice.ts";

/**
 * The failed step becomes ready, and every current step that was skipped or cancelled is pending again as far as the steps
 * before it allow. A failed plan becomes active; one whose effects were undone stays as it is.
 */
export function reviveStep(draft: PlanDraft, ordinal: number): Refusal | undefined {
  if (!draft.slice.whole) throw new MissingRows({ whole: true });
  const rows = [...draft.slice.steps.keys()].map((o) => draft.step(o)).filter((row) => row.current);
  const { plan } = draft;
  if (rows.some((row) => row.undoing || row.state === "COMPENSATED" || row.state === "COMPENSATION_FAILED")) {
    return refused("STATE_CONFLICT", "Effects of this plan were undone; re-plan it instead.", { metadata: { kind: "plan", id: plan.planId, state: plan.state } }).refusal;
  }
  const parents = parentsOf(draft, rows);
  const revived = new Set<number>([ordinal]);
  for (const row of inOrder(draft, rows)) {
    if (row.ordinal === ordinal || (row.state !== "SKIPPED" && row.state !== "CANCELLED")) continue;
    const blocked = (parents.get(row.ordinal) ?? []).some(({ from, regardless }) => {
      const parent = draft.step(from);
      return !revived.has(from) && hasEnded(parent.state) && !allows(parent, regardless);
    });
    if (!blocked) revived.add(row.ordinal);
  }
  if (plan.state === "FAILED") {
    draft.movePlan("ACTIVE");
    plan.finishedMs = null;
    plan.reason = "";
    draft.setGoal({ state: "ACTIVE", finishedMs: null });
  }
  for (const each of revived) {
    if (each === ordinal) continue;
    const waitingOn = (parents.get(each) ?? []).filter(({ from }) => revived.has(from) || !hasEnded(draft.step(from).state)).length;
    draft.move(each, "PENDING", { waitingOn, finishedMs: null });
  }
  draft.patch(ordinal, { failures: 0, finishedMs: null });
  makeReady(draft, ordinal);
  for (const each of revived) {
    if (each !== ordinal && draft.step(each).waitingOn === 0 && draft.step(each).state === "PENDING" && arrive(draft, each) === "ended") settleDependents(draft, [each]);
  }
  return undefined;
}

function parentsOf(draft: PlanDraft, rows: readonly StepRow[]): Map<number, { readonly from: number; readonly regardless: boolean }[]> {
  const parents = new Map<number, { readonly from: number; readonly regardless: boolean }[]>();
  for (const row of rows) {
    for (const edge of draft.children(row.ordinal)) {
      const list = parents.get(edge.to) ?? [];
      list.push({ from: row.ordinal, regardless: edge.regardless });
      parents.set(edge.to, list);
    }
  }
  return parents;
}

/** Topological order (Kahn). */
function inOrder(draft: PlanDraft, rows: readonly StepRow[]): readonly StepRow[] {
  const waiting = new Map<number, number>(rows.map((row) => [row.ordinal, 0]));
  for (const row of rows) for (const edge of draft.children(row.ordinal)) waiting.set(edge.to, (waiting.get(edge.to) ?? 0) + 1);
  const order = rows.filter((row) => waiting.get(row.ordinal) === 0);
  for (const row of order) {
    for (const edge of draft.children(row.ordinal)) {
      const left = (waiting.get(edge.to) ?? 0) - 1;
      waiting.set(edge.to, left);
      const child = draft.find(edge.to);
      if (left === 0 && child?.current === true) order.push(child);
    }
  }
  return order;
}
