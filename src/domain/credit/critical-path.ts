// The realized critical path of a leg: what really decided when it ended. Not here: the planned one, see graph/.
import type { Leg, LegStep } from "./leg.ts";

/**
 * From the step that ended last, back through the predecessor that ended last before the step could begin, to a step that
 * waited for none (the backward walk of CRISP, Zhang et al., USENIX ATC 2022, over edges instead of spans). Ordinals, first
 * step first.
 */
export function realizedPath(leg: Leg, from: LegStep): readonly number[] {
  const path = [from.ordinal];
  const seen = new Set(path);
  for (let step = from; ;) {
    const before = lastParent(leg, step);
    if (before === undefined || seen.has(before.ordinal)) return path.reverse();
    path.push(before.ordinal);
    seen.add(before.ordinal);
    step = before;
  }
}

/** The step of a leg that ended last, where no failure ended it; those that were tried go before those that were only skipped or cancelled. */
export function lastStep(leg: Leg): LegStep | undefined {
  const ended = [...leg.steps.values()].filter((s) => s.endMs !== null);
  const tried = ended.filter((s) => s.attempts.length > 0);
  return (tried.length > 0 ? tried : ended).reduce<LegStep | undefined>(later, undefined);
}

/** The predecessor whose end let a step begin. One that ended after the step was ready came by a re-plan and decided nothing. */
export function lastParent(leg: Leg, step: LegStep): LegStep | undefined {
  const begunMs = step.readyMs ?? step.endMs ?? Number.POSITIVE_INFINITY;
  let last: LegStep | undefined;
  for (const ordinal of leg.parents.get(step.ordinal) ?? []) {
    const parent = leg.steps.get(ordinal);
    if (parent !== undefined && parent.endMs !== null && parent.endMs <= begunMs) last = later(last, parent);
  }
  return last;
}

/** Of two, the one that ended later; the key breaks ties, so that a trace is the same every time. */
function later(a: LegStep | undefined, b: LegStep): LegStep {
  if (a === undefined) return b;
  const difference = (b.endMs ?? 0) - (a.endMs ?? 0);
  return difference > 0 || (difference === 0 && b.key < a.key) ? b : a;
}
