// How two versions of a graph differ, and what becomes of each step. Not here: fields (fields.ts), fates (fate.ts), and the
// staleness of done steps behind a rerun one, which is judged by what they consumed.
import type { Amounts } from "../amounts.ts";
import type { AnalysedEdge, Analysis, Edge, GraphStep } from "../graph.ts";
import { fateOf } from "./fate.ts";
import type { Change, StepFate, StepProgress } from "./fate.ts";
import type { FieldDifference } from "./fields.ts";
import { Rewiring } from "./rewiring.ts";

/** A version with its analysis: edges must know whether they are redundant. */
export interface ComparedGraph {
  readonly steps: readonly GraphStep[];
  readonly edges: readonly AnalysedEdge[];
  readonly analysis: Analysis;
}

export interface StepDifference {
  readonly key: string;
  readonly change: Change;
  /** Empty for steps that are only in one version. */
  readonly fields: readonly FieldDifference[];
  readonly fate: StepFate;
}

export interface DiffSummary {
  readonly addedSteps: number;
  readonly removedSteps: number;
  readonly changedSteps: number;
  readonly unchangedSteps: number;
  readonly addedEdges: number;
  readonly removedEdges: number;
  readonly makespanBeforeMs: number;
  readonly makespanAfterMs: number;
  readonly worstCaseBefore: Amounts;
  readonly worstCaseAfter: Amounts;
  readonly criticalPathBefore: readonly string[];
  readonly criticalPathAfter: readonly string[];
  readonly reused: number;
  readonly rerun: number;
  readonly compensated: number;
  readonly notCompensable: number;
  readonly stopped: number;
}

export interface GraphDiff {
  readonly summary: DiffSummary;
  /** Steps that differ, by key. */
  readonly steps: readonly StepDifference[];
  /** Edges that do not follow from others, only in the new version. */
  readonly addedEdges: readonly Edge[];
  readonly removedEdges: readonly Edge[];
  /** What becomes of every step of either version, the same ones included. */
  readonly fates: ReadonlyMap<string, StepFate>;
}

/**
 * Compares two versions. Steps are matched by key. Edges are compared on the transitive reductions, so a redundant need
 * differs in nothing. `progress` says where the steps of the old version stand; a step that is not in it has not begun.
 */
export function diff(
  before: ComparedGraph,
  after: ComparedGraph,
  progress: ReadonlyMap<string, StepProgress> = new Map(),
): GraphDiff {
  const old = new Map(before.steps.map((step) => [step.definition.key, step]));
  const kept = new Set(after.steps.map((step) => step.definition.key));
  const rewired = new Rewiring(before.edges, after.edges);
  const steps: StepDifference[] = [];
  const fates = new Map<string, StepFate>();
  const put = (key: string, change: Change, fields: readonly FieldDifference[]): void => {
    const fate = fateOf(change, progress.get(key));
    fates.set(key, fate);
    if (change !== "SAME" || fields.length > 0) steps.push({ key, change, fields, fate });
  };
  for (const step of after.steps) {
    const { key } = step.definition;
    const earlier = old.get(key);
    if (earlier === undefined) put(key, "ADDED", []);
    else put(key, rewired.same(earlier, step) ? "SAME" : "CHANGED", rewired.fields(earlier, step));
  }
  for (const { definition } of before.steps) if (!kept.has(definition.key)) put(definition.key, "REMOVED", []);
  steps.sort((a, b) => (a.key < b.key ? -1 : 1));
  const addedEdges = missingFrom(after.edges, before.edges);
  const removedEdges = missingFrom(before.edges, after.edges);
  return {
    summary: summarize(before, after, steps, fates, addedEdges.length, removedEdges.length),
    steps,
    addedEdges,
    removedEdges,
    fates,
  };
}

function summarize(
  before: ComparedGraph,
  after: ComparedGraph,
  steps: readonly StepDifference[],
  fates: ReadonlyMap<string, StepFate>,
  addedEdges: number,
  removedEdges: number,
): DiffSummary {
  const count = (change: (step: StepDifference) => boolean): number => steps.filter(change).length;
  const ended = new Map<StepFate, number>();
  for (const fate of fates.values()) ended.set(fate, (ended.get(fate) ?? 0) + 1);
  const addedSteps = count((step) => step.change === "ADDED");
  const changedSteps = count((step) => step.change === "CHANGED" || step.change === "SAME");
  return {
    addedSteps,
    removedSteps: count((step) => step.change === "REMOVED"),
    changedSteps,
    unchangedSteps: after.steps.length - addedSteps - changedSteps,
    addedEdges,
    removedEdges,
    makespanBeforeMs: before.analysis.makespanMs,
    makespanAfterMs: after.analysis.makespanMs,
    worstCaseBefore: before.analysis.worstCase,
    worstCaseAfter: after.analysis.worstCase,
    criticalPathBefore: before.analysis.criticalPath,
    criticalPathAfter: after.analysis.criticalPath,
    reused: ended.get("REUSED") ?? 0,
    rerun: count((step) => step.change === "CHANGED"),
    compensated: ended.get("COMPENSATED") ?? 0,
    notCompensable: ended.get("NOT_COMPENSABLE") ?? 0,
    stopped: ended.get("STOPPED") ?? 0,
  };
}

/** Essential edges of one version that the other one lacks; where an edge came from makes no difference. */
function missingFrom(edges: readonly AnalysedEdge[], others: readonly AnalysedEdge[]): readonly Edge[] {
  const known = new Set(others.filter((edge) => !edge.redundant).map(nameOf));
  return edges
    .filter((edge) => !edge.redundant && !known.has(nameOf(edge)))
    .map(({ from, to, kind, regardless }) => ({ from, to, kind, regardless }));
}

function nameOf(edge: Edge): string {
  return `${edge.from} ${edge.to} ${edge.regardless ? "regardless" : "success"}`;
}
