// Running a failed step again, with what was skipped or cancelled because of it. Not here: backoffs, see failure.ts.
import { refused } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";
import { isOver } from "../step.ts";
import type { StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { failsPlan } from "./failure.ts";
import { allows, arrive, settleDependents, withdraw } from "./ready.ts";
import { foresee } from "./resolve.ts";
import { wasUndone } from "./rerun.ts";
import { MissingRows } from "./slice.ts";

interface Parent {
  readonly from: number;
  readonly regardless: boolean;
}

/**
 * The failed step runs again, once what it depends on allows it. So do the steps that were cancelled with the plan, and those
 * skipped after one that runs again; what depends on any of these and has not begun waits for it anew. A failed plan becomes
 * active; steps whose failure alone would fail it run again with it. A plan whose effects were undone stays as it is.
 * With `succeed`, which writes that, the step has succeeded after all instead of running again.
 */
export function reviveStep(draft: PlanDraft, ordinal: number, succeed?: () => void): Refusal | undefined {
  if (!draft.slice.whole) throw new MissingRows({ whole: true });
  const { plan } = draft;
  const all = [...draft.slice.steps.keys()].map((o) => draft.step(o));
  const rows = all.filter((row) => row.current);
  if (wasUndone(rows)) {
    return refused("STATE_CONFLICT", "Effects of this plan were undone; re-plan it instead.", {
      metadata: { kind: "plan", id: plan.planId, state: plan.state },
    }).refusal;
  }
  const parents = parentsOf(draft, all);
  const roots = [ordinal, ...fatal(draft, rows)];
  const revived = whatRunsAgain(draft, rows, parents, new Set(roots));
  for (const root of roots) {
    if (root === ordinal && succeed !== undefined) continue;
    const before = (parents.get(root) ?? []).find((parent) => blocks(draft, parent, revived));
    if (before === undefined) continue;
    const [row, { key, state }] = [draft.step(root), draft.step(before.from)];
    return refused("STATE_CONFLICT", `Step ${row.key} depends on ${key}, which is ${state}.`, {
      metadata: { kind: "step", id: key, state },
      remedy: `Retry ${key}, or re-plan.`,
    }).refusal;
  }
  if (plan.state === "FAILED") {
    draft.movePlan("ACTIVE");
    plan.finishedMs = null;
    plan.reason = "";
    draft.setGoal({ state: "ACTIVE", finishedMs: null });
  }
  const waitsFor = (row: StepRow): number =>
    (parents.get(row.ordinal) ?? []).filter(({ from }) => revived.has(from) || !isOver(draft.step(from))).length;
  const waitingAnew = rows.filter(
    (row) =>
      !revived.has(row.ordinal) &&
      mayWaitAgain(row) &&
      (parents.get(row.ordinal) ?? []).some(({ from }) => revived.has(from)),
  );
  // Counted before anything moves: a row that is moved looks as if it had not ended.
  const counts = [...[...revived].map((o) => draft.step(o)), ...waitingAnew].map((row) => ({
    row,
    waitingOn: waitsFor(row),
  }));
  for (const { row, waitingOn } of counts) {
    if (row.ordinal === ordinal && succeed !== undefined) {
      succeed();
      continue;
    }
    if (row.state === "PENDING") {
      draft.waitFor(row.ordinal, waitingOn);
      continue;
    }
    withdraw(draft, row.ordinal);
    draft.move(row.ordinal, "PENDING", {
      waitingOn,
      finishedMs: null,
      readyMs: null,
      ...(revived.has(row.ordinal) ? { failures: 0 } : {}),
    });
  }
  const arrivals = [...revived].filter((each) => {
    const row = draft.step(each);
    return row.state === "PENDING" && row.waitingOn === 0;
  });
  foresee(draft, arrivals);
  settleDependents(draft, [
    ...arrivals.filter((each) => draft.step(each).state === "PENDING" && arrive(draft, each) === "ended"),
    ...(succeed === undefined ? [] : [ordinal]),
  ]);
  return undefined;
}

/** Steps of a failed plan whose failure would fail it again. */
function fatal(draft: PlanDraft, rows: readonly StepRow[]): readonly number[] {
  if (draft.plan.state !== "FAILED") return [];
  const ended = rows.filter((row) => row.state === "FAILED" || row.state === "REFUSED").map((row) => row.ordinal);
  const unknown = ended.filter((each) => !draft.slice.definitions.has(each));
  if (unknown.length > 0) throw new MissingRows({ definitions: unknown });
  return ended.filter((each) => failsPlan(draft.definition(each)));
}

function whatRunsAgain(
  draft: PlanDraft,
  rows: readonly StepRow[],
  parents: ReadonlyMap<number, readonly Parent[]>,
  again: Set<number>,
): Set<number> {
  for (const row of inOrder(draft, rows)) {
    if (again.has(row.ordinal) || (row.state !== "SKIPPED" && row.state !== "CANCELLED")) continue;
    const before = parents.get(row.ordinal) ?? [];
    // Whoever was skipped for reasons of its own stays so.
    if (row.state === "SKIPPED" && !before.some(({ from }) => again.has(from))) continue;
    if (!before.some((parent) => blocks(draft, parent, again))) again.add(row.ordinal);
  }
  return again;
}

function blocks(draft: PlanDraft, { from, regardless }: Parent, again: ReadonlySet<number>): boolean {
  const parent = draft.step(from);
  return !again.has(from) && isOver(parent) && !allows(parent, regardless);
}

/** Not begun, or pending. */
function mayWaitAgain(row: StepRow): boolean {
  return (
    row.state === "PENDING" ||
    (row.attempt === 0 && (row.state === "READY" || row.state === "WAITING" || row.state === "AWAITING_APPROVAL"))
  );
}

/** By child; dropped rows that still run are waited for as well. */
function parentsOf(draft: PlanDraft, rows: readonly StepRow[]): ReadonlyMap<number, readonly Parent[]> {
  const parents = new Map<number, Parent[]>();
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
  for (const row of rows)
    for (const edge of draft.children(row.ordinal)) waiting.set(edge.to, (waiting.get(edge.to) ?? 0) + 1);
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
