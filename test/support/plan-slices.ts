// Loads a plan in memory slice by slice, each need by itself, as the store's statements do. Not here: writing it back, see
// plan-store.ts.
import { DIMENSIONS, MOST } from "../../src/domain/amounts.ts";
import { consumedKey, earlierKey, emptySlice, PARKED_LIMIT } from "../../src/domain/plan/slice.ts";
import type { Needs, PlanSlice } from "../../src/domain/plan/slice.ts";
import { STEP_FLAGS, has } from "../../src/domain/step.ts";
import type { StepRow } from "../../src/domain/step.ts";
import type { PlanStore } from "./plan-store.ts";

/** What a decision is given at first. */
export function sliceOf(store: PlanStore, ordinals: readonly number[], childrenOf: readonly number[]): PlanSlice {
  const slice = emptySlice(store.plan);
  load(store, slice, ordinals);
  loadChildren(store, slice, childrenOf);
  return slice;
}

/** Loads what a decision asked for. */
export function completeSlice(store: PlanStore, slice: PlanSlice, needs: Needs): void {
  if (
    Object.values(needs).every(
      (need) => need === undefined || need === false || (Array.isArray(need) && need.length === 0),
    )
  )
    throw new Error("a decision asked for nothing");
  if (needs.whole === true) {
    load(store, slice, store.steps.keys());
    for (const [from, list] of store.children) slice.children.set(from, list);
    slice.whole = true;
  }
  load(store, slice, needs.steps ?? []);
  loadChildren(store, slice, needs.childrenOf ?? []);
  for (const ordinal of needs.definitions ?? []) {
    const row = store.steps.get(ordinal);
    if (row !== undefined) slice.definitions.set(ordinal, store.definition(row));
  }
  for (const key of needs.results ?? []) {
    const row = [...store.steps.values()].find((r) => r.key === key && r.current);
    const last =
      row === undefined
        ? undefined
        : store
            .attemptsOf(row.ordinal)
            .filter((a) => a.state === "SUCCEEDED" && !a.undoing)
            .at(-1);
    slice.results.set(key, {
      state: row?.state ?? "SKIPPED",
      outputs: last?.outputs?.kind === "json" ? last.outputs.text : null,
      outputsDigest: last?.outputsDigest ?? "",
    });
  }
  if (needs.consumed !== undefined) fillConsumed(store, slice, needs.consumed);
  for (const { ordinal, fencing } of needs.earlier ?? [])
    slice.earlier.set(earlierKey(ordinal, fencing), store.attempts.get(earlierKey(ordinal, fencing)) ?? null);
  if (needs.approvals === true) {
    for (const approval of store.pending) slice.approvals.set(approval.approvalId, approval);
    slice.approvalsLoaded = true;
  }
  if (needs.goal === true) slice.goal = { name: "goal", charter: "charter", inputs: '{"ref":"main"}', labels: {} };
  if (needs.parked !== undefined) {
    const left = needs.parked;
    const isDear = (r: StepRow): number =>
      r.state === "READY" && DIMENSIONS.some((d) => r.hold[d] > (left[d] ?? MOST)) ? 1 : 0;
    const rows = [...store.steps.values()].filter(
      (r) => (r.state === "READY" || r.state === "COMPENSATING") && r.orderKey === null,
    );
    rows.sort((a, b) => isDear(a) - isDear(b) || (a.readyMs ?? 0) - (b.readyMs ?? 0) || a.ordinal - b.ordinal);
    slice.parked = rows.slice(0, PARKED_LIMIT).map((r) => r.ordinal);
    load(store, slice, slice.parked);
  }
  if (needs.cascade === true) slice.cascade = store.cascade;
  if (needs.undo === true) fillUndo(store, slice);
}

function fillConsumed(
  store: PlanStore,
  slice: PlanSlice,
  { ordinal, beganMs, keys }: NonNullable<Needs["consumed"]>,
): void {
  for (const key of keys) {
    const successes = [...store.attempts.values()]
      .filter((a) => a.state === "SUCCEEDED" && !a.undoing && store.steps.get(a.ordinal)?.key === key)
      .sort((a, b) => a.endedMs - b.endedMs);
    const found =
      successes.findLast((a) => a.ordinal === ordinal) ??
      successes.findLast((a) => a.endedMs <= beganMs) ??
      successes.at(-1);
    slice.consumed.set(consumedKey(ordinal, key), {
      state: found === undefined ? "SKIPPED" : "SUCCEEDED",
      outputs: found?.outputs?.kind === "json" ? found.outputs.text : null,
      outputsDigest: found?.outputsDigest ?? "",
    });
  }
}

function fillUndo(store: PlanStore, slice: PlanSlice): void {
  const rows = [...store.steps.values()];
  const busy = rows.find(
    (r) => r.undoing && (r.state === "COMPENSATING" || r.state === "LEASED" || r.state === "BACKING_OFF"),
  );
  const done = rows
    .filter((r) => r.state === "SUCCEEDED" && has(r.flags, STEP_FLAGS.COMPENSABLE))
    .sort((a, b) => (b.finishedMs ?? 0) - (a.finishedMs ?? 0) || b.ordinal - a.ordinal);
  const candidates = [...done.filter((r) => r.current).slice(0, 3), ...done.filter((r) => !r.current).slice(0, 3)].map(
    (r) => r.ordinal,
  );
  load(store, slice, [...candidates, ...(busy === undefined ? [] : [busy.ordinal])]);
  slice.undo = { busy: busy?.ordinal ?? null, candidates };
}

function load(store: PlanStore, slice: PlanSlice, ordinals: Iterable<number>): void {
  for (const ordinal of ordinals) {
    const row = store.steps.get(ordinal);
    if (row !== undefined) slice.steps.set(ordinal, row);
  }
}

function loadChildren(store: PlanStore, slice: PlanSlice, parents: Iterable<number>): void {
  for (const ordinal of parents) {
    const list = store.children.get(ordinal) ?? [];
    slice.children.set(ordinal, list);
    load(
      store,
      slice,
      list.map((e) => e.to),
    );
  }
}
