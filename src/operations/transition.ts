// From the active version to the next: how they differ, and what that does to the rows. Pure, and too slow for the event
// loop when graphs are large. Not here: carrying it out, see commit-version.ts.
import { diff } from "../domain/graph/diff.ts";
import type { ComparedGraph, GraphDiff, StepDifference } from "../domain/graph/diff.ts";
import { progressOf } from "./step-fate.ts";
import { succeed } from "./succession.ts";
import type { Succession, SuccessionInput } from "./succession.ts";

export interface TransitionInput extends Omit<SuccessionInput, "changed" | "steps" | "edges"> {
  /** The active version; null before the first commit. */
  readonly before: ComparedGraph | null;
  readonly after: ComparedGraph;
  /** Steps that run again although nothing about them changed. */
  readonly again?: readonly string[];
}

export interface Transition {
  readonly succession: Succession;
  /** Null before the first commit. */
  readonly diff: GraphDiff | null;
}

export function transition(input: TransitionInput): Transition {
  const { before, after, again = [], ...rest } = input;
  const { steps, edges } = after;
  if (before === null) return { succession: succeed({ ...rest, steps, edges, changed: new Set() }), diff: null };
  const progress = new Map(input.rows.filter((row) => row.current).map((row) => [row.key, progressOf(row)]));
  const compared = diff(before, after, progress);
  const changed = new Set([...compared.steps.filter((s) => s.change === "CHANGED").map((s) => s.key), ...again]);
  const succession = succeed({ ...rest, steps, edges, changed });
  // Where no step stands anywhere, the definitions alone say what becomes of each.
  return { succession, diff: rest.rows.length === 0 ? compared : withFates(compared, succession) };
}

/** The comparison with what really becomes of each step: unchanged ones may have to run again, too. */
function withFates(compared: GraphDiff, { fates, stale, removed, added }: Succession): GraphDiff {
  const listed = new Set(compared.steps.map((s) => s.key));
  const behind = new Set(stale);
  const again: StepDifference[] = [];
  for (const [key, fate] of fates) {
    if (listed.has(key)) continue;
    if (fate === "RERUN" || behind.has(key)) again.push({ key, change: "SAME", fields: [], fate });
  }
  const steps = [...compared.steps.map((s) => ({ ...s, fate: fates.get(s.key) ?? s.fate })), ...again].sort((a, b) =>
    a.key < b.key ? -1 : 1,
  );
  const counts = new Map<string, number>();
  for (const fate of fates.values()) counts.set(fate, (counts.get(fate) ?? 0) + 1);
  const count = (fate: string): number => counts.get(fate) ?? 0;
  // A step runs again when a row was taken away and another one came under its key, unless it just goes along.
  const gone = removed.length;
  const fresh = added.filter(({ row }) => fates.get(row.key) !== "ADDED" && fates.get(row.key) !== "KEPT").length;
  return {
    ...compared,
    steps,
    fates,
    summary: {
      ...compared.summary,
      reused: count("REUSED"),
      rerun: Math.min(fresh, gone),
      compensated: count("COMPENSATED"),
      notCompensable: count("NOT_COMPENSABLE"),
      stopped: count("STOPPED"),
    },
  };
}
