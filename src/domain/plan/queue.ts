// The ready set: steps enter it here, and come back to it. Not here: what lets a step become ready, see ready.ts.
import { remaining, takeHold } from "../plan.ts";
import { has, STEP_FLAGS } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { MissingRows } from "./slice.ts";

/**
 * A step of a plan under way counts as ready since the plan's commit, up to this: plans are ended before others are begun, and a
 * plan's next step often goes out with the outcome that made it ready. It passes what became ready up to so much earlier, in its
 * own org; a wide plan may so pass with all steps that become ready within that time.
 */
export const UNDER_WAY_MS = 60_000;

/** READY, and in the ready set unless the plan is suspended: see `orderKeyAt`. */
export function makeReady(draft: PlanDraft, ordinal: number): void {
  const row = draft.step(ordinal);
  const { nowMs } = draft.context;
  const orderKey = draft.plan.state === "SUSPENDED" ? null : orderKeyAt(draft.plan, nowMs, row.boostMs, ordinal);
  if (row.state === "READY") draft.patch(ordinal, { orderKey, readyMs: nowMs });
  else draft.move(ordinal, "READY", { orderKey, readyMs: nowMs });
  if (orderKey !== null) draft.ready.push(ordinal);
}

/** Epoch microseconds since when it counts as ready, less its boost: waiting ages it. The ordinal breaks ties within a plan. */
export function orderKeyAt(
  plan: { readonly committedMs: number | null },
  readyMs: number,
  boostMs: number,
  ordinal: number,
): number {
  const sinceMs = Math.min(readyMs, Math.max(plan.committedMs ?? readyMs, readyMs - UNDER_WAY_MS));
  return (sinceMs - boostMs) * 1_000 + (ordinal % 1_000);
}

/** Puts parked steps back into the ready set, at most so many; those that the budget does not allow would only starve again. */
export function unpark(draft: PlanDraft, limit = Number.POSITIVE_INFINITY): void {
  if (draft.plan.stepsStarved === 0) return;
  if (draft.slice.parked === null) throw new MissingRows({ parked: remaining(draft.plan.account) });
  let left = limit;
  for (const ordinal of draft.slice.parked) {
    const row = draft.step(ordinal);
    if (left <= 0) return;
    if ((row.state !== "READY" && row.state !== "COMPENSATING") || row.orderKey !== null) continue;
    if (row.state === "READY" && "short" in takeHold(draft.plan.account, row.hold)) {
      if (!has(row.flags, STEP_FLAGS.STARVED)) draft.patch(ordinal, { flags: row.flags | STEP_FLAGS.STARVED });
      continue;
    }
    left -= 1;
    draft.patch(ordinal, {
      orderKey: orderKeyAt(draft.plan, row.readyMs ?? draft.context.nowMs, row.boostMs, ordinal),
      flags: row.flags & ~STEP_FLAGS.STARVED,
    });
    draft.ready.push(ordinal);
  }
}

/** Back to the ready set, or to the end of the compensation queue. */
export function requeue(draft: PlanDraft, ordinal: number): void {
  const row = draft.step(ordinal);
  if (row.undoing) {
    const { nowMs } = draft.context;
    draft.move(ordinal, "COMPENSATING", {
      orderKey: orderKeyAt(draft.plan, nowMs, row.boostMs, ordinal),
      readyMs: nowMs,
    });
    draft.ready.push(ordinal);
  } else if (row.heldBack) {
    draft.move(ordinal, "WAITING");
  } else {
    makeReady(draft, ordinal);
  }
}
