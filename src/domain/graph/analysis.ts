// What can be said of a graph before it runs: levels, times, slack, critical path, redundant edges, feasibility.
// Not here: deriving edges (edges.ts) and cycles (cycles.ts), which come first.
import { NOTHING, plus } from "../amounts.ts";
import type { Limits } from "../amounts.ts";
import type { AnalysedEdge, Analysis, Edge, GraphStep } from "../graph.ts";
import type { Estimate, Need, StepDefinition } from "../step.ts";
import { adjacencyOf, at, topologicalOrder } from "./adjacency.ts";
import type { Adjacency } from "./adjacency.ts";
import { judge } from "./feasibility.ts";
import { definitionText, fingerprint } from "./fingerprint.ts";
import { redundantEdges } from "./reduction.ts";

export interface AnalyseOptions {
  /** From commit; null for none. */
  readonly deadlineMs: number | null;
  readonly limits: Limits;
  /** Whether some registered executor can do the step. */
  readonly servable: (step: StepDefinition) => boolean;
}

export interface AnalysedGraph {
  readonly analysis: Analysis;
  /** In the order in which they were given. */
  readonly steps: readonly GraphStep[];
  readonly edges: readonly AnalysedEdge[];
}

const NAMED_LIMIT = 100;
/** Standard normal deviate of the ninetieth percentile. */
const Z90 = 1.2816;

/**
 * Analyses an acyclic graph; a cyclic one is a bug of the caller. Times are whole milliseconds from commit with likely
 * durations, every step begun as early as it can be; a step without an estimate takes no time. Percentiles of the critical
 * path are PERT's (Malcolm, Roseboom, Clark and Fazar, Operations Research 7(5), 1959): mean (o + 4l + p) / 6, standard
 * deviation (p − o) / 6, their sum taken as normal; other paths that may become critical are left out, so they are optimistic.
 */
export function analyse(
  definitions: readonly StepDefinition[],
  edges: readonly Edge[],
  options: AnalyseOptions,
): AnalysedGraph {
  const graph = adjacencyOf(
    definitions.map((step) => step.key),
    edges,
  );
  const order = topologicalOrder(graph);
  if (order.length < definitions.length) throw new Error("Analysis was asked of a graph with a cycle.");
  const times = schedule(graph, order, definitions);
  const path = criticalPath(graph, times);
  const redundant = redundantEdges(graph, order);
  const verdict = judge(
    { graph, order, durationMs: times.durationMs, criticalPath: path },
    definitions.map((step) => step.hold),
    options.deadlineMs,
    options.limits,
  );
  const onPath = new Set(path);
  const essential = essentialNeeds(graph, redundant);
  const steps = definitions.map((definition, node): GraphStep => {
    const totalSlackMs = at(times.latestMs, node) - at(times.earliestMs, node);
    return {
      definition,
      definitionText: definitionText(definition),
      fingerprint: fingerprint(
        definition,
        definition.needs.length === 0
          ? definition.needs
          : definition.needs.filter((need) => essential(definition, need)),
      ),
      level: at(times.level, node),
      expectedMs: definition.estimate === null ? 0 : Math.round(pertMean(definition.estimate)),
      earliestMs: at(times.earliestMs, node),
      latestMs: at(times.latestMs, node),
      totalSlackMs,
      freeSlackMs: at(times.nextMs, node) - at(times.earliestMs, node) - at(times.durationMs, node),
      // Without estimates nothing can be late and nothing has slack; then only the longest chain of steps is called critical.
      critical: times.makespanMs === 0 ? onPath.has(node) : totalSlackMs === 0,
    };
  });
  const unservable = definitions.filter((step) => !options.servable(step));
  const redundantNames: string[] = [];
  let redundantEdgeCount = 0;
  for (const [e, edge] of edges.entries()) {
    if (redundant[e] !== 1) continue;
    if (redundantEdgeCount++ < NAMED_LIMIT) redundantNames.push(`${edge.from} → ${edge.to}`);
  }
  const estimates = path.map((node) => definitions[node]?.estimate ?? null).filter((estimate) => estimate !== null);
  const mean = estimates.reduce((ms, estimate) => ms + pertMean(estimate), 0);
  const variance = estimates.reduce(
    (sum, { optimisticMs, pessimisticMs }) => sum + ((pessimisticMs - optimisticMs) / 6) ** 2,
    0,
  );
  const analysis: Analysis = {
    levels: times.perLevel.length,
    width: times.perLevel.reduce((most, steps) => Math.max(most, steps), 0),
    criticalPath: path.map((node) => graph.keys[node] ?? ""),
    makespanMs: times.makespanMs,
    makespanP50Ms: Math.round(mean),
    makespanP90Ms: Math.round(mean + Z90 * Math.sqrt(variance)),
    redundantEdges: redundantNames,
    redundantEdgeCount,
    unservableSteps: unservable.slice(0, NAMED_LIMIT).map((step) => step.key),
    worstCase: definitions.reduce((sum, step) => plus(sum, step.hold), NOTHING),
    feasible: verdict.feasible,
    counterExample: verdict.counterExample,
    counterExampleSteps: verdict.steps,
  };
  return { analysis, steps, edges: edges.map((edge, e) => ({ ...edge, redundant: redundant[e] === 1 })) };
}

function pertMean({ optimisticMs, likelyMs, pessimisticMs }: Estimate): number {
  return (optimisticMs + 4 * likelyMs + pessimisticMs) / 6;
}

interface Times {
  readonly durationMs: Float64Array;
  readonly earliestMs: Float64Array;
  readonly latestMs: Float64Array;
  /** Earliest start of any step that waits for it, or the makespan. */
  readonly nextMs: Float64Array;
  readonly level: Int32Array;
  readonly perLevel: readonly number[];
  readonly makespanMs: number;
}

/** Forward and backward pass of the critical path method (Kelley and Walker, 1959). */
function schedule(graph: Adjacency, order: Int32Array, definitions: readonly StepDefinition[]): Times {
  const count = order.length;
  const durationMs = Float64Array.from(definitions, (step) => step.estimate?.likelyMs ?? 0);
  const earliestMs = new Float64Array(count);
  const level = new Int32Array(count);
  const perLevel: number[] = [];
  let makespanMs = 0;
  for (const node of order) {
    for (let e = at(graph.inStart, node); e < at(graph.inStart, node + 1); e++) {
      const source = at(graph.inFrom, e);
      earliestMs[node] = Math.max(at(earliestMs, node), at(earliestMs, source) + at(durationMs, source));
      level[node] = Math.max(at(level, node), at(level, source) + 1);
    }
    makespanMs = Math.max(makespanMs, at(earliestMs, node) + at(durationMs, node));
    perLevel[at(level, node)] = (perLevel[at(level, node)] ?? 0) + 1;
  }
  const latestMs = new Float64Array(count);
  const nextMs = new Float64Array(count).fill(makespanMs);
  for (let r = count - 1; r >= 0; r--) {
    const node = at(order, r);
    let end = makespanMs;
    for (let e = at(graph.outStart, node); e < at(graph.outStart, node + 1); e++) {
      const target = at(graph.outTo, e);
      end = Math.min(end, at(latestMs, target));
      nextMs[node] = Math.min(at(nextMs, node), at(earliestMs, target));
    }
    latestMs[node] = end - at(durationMs, node);
  }
  return { durationMs, earliestMs, latestMs, nextMs, level, perLevel, makespanMs };
}

/** One longest path by likely duration; among equals the one of more steps, then the one given first. */
function criticalPath(graph: Adjacency, times: Times): readonly number[] {
  const endMs = (node: number): number => at(times.earliestMs, node) + at(times.durationMs, node);
  const better = (a: number, b: number): boolean =>
    b < 0 || endMs(a) > endMs(b) || (endMs(a) === endMs(b) && at(times.level, a) > at(times.level, b));
  let node = -1;
  for (let n = 0; n < graph.keys.length; n++) if (better(n, node)) node = n;
  const path: number[] = [];
  while (node >= 0) {
    path.push(node);
    let before = -1;
    for (let e = at(graph.inStart, node); e < at(graph.inStart, node + 1); e++) {
      const source = at(graph.inFrom, e);
      if (endMs(source) === at(times.earliestMs, node) && better(source, before)) before = source;
    }
    node = before;
  }
  return path.reverse();
}

/** Whether a need's edge does not follow from others. */
function essentialNeeds(graph: Adjacency, redundant: Uint8Array): (step: StepDefinition, need: Need) => boolean {
  const follows = new Map<string, Set<string>>();
  for (const [e, { from, to }] of graph.edges.entries()) {
    if (redundant[e] !== 1) continue;
    const sources = follows.get(to);
    if (sources === undefined) follows.set(to, new Set([from]));
    else sources.add(from);
  }
  return (step, need) => follows.get(step.key)?.has(need.step) !== true;
}
