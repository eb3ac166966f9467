// Whether a graph can be done within its limits, with the smallest counter-example when it cannot. Not here: its other
// figures, see analysis.ts.
import { DIMENSIONS } from "../amounts.ts";
import type { Amounts, Dimension, Limits } from "../amounts.ts";
import { at } from "./adjacency.ts";
import type { Adjacency } from "./adjacency.ts";

export interface Verdict {
  readonly feasible: boolean;
  /** For people; empty when feasible. */
  readonly counterExample: string;
  readonly steps: readonly string[];
}

/** Steps of work in the search for the smallest chain; beyond that the critical path is shortened instead. */
const SEARCH_LIMIT = 20_000_000;

interface Timed {
  readonly graph: Adjacency;
  /** Topological. */
  readonly order: Int32Array;
  /** Likely durations. */
  readonly durationMs: Float64Array;
  readonly criticalPath: readonly number[];
}

/** Judges deadline and limits. A null is no limit. The deadline is judged first. */
export function judge(timed: Timed, holds: readonly Amounts[], deadlineMs: number | null, limits: Limits): Verdict {
  return (
    (deadlineMs === null ? null : lateChain(timed, deadlineMs)) ??
    tooDear(timed.graph.keys, holds, limits) ?? { feasible: true, counterExample: "", steps: [] }
  );
}

/** Fewest steps that must follow each other and alone take longer than the deadline. */
function lateChain(timed: Timed, deadlineMs: number): Verdict | null {
  const onPath = longestFirst(timed.criticalPath, timed.durationMs);
  const shortened: number[] = [];
  let sum = 0;
  for (const node of onPath) {
    if (sum > deadlineMs) break;
    sum += at(timed.durationMs, node);
    shortened.push(node);
  }
  if (sum <= deadlineMs) return null;
  const chain =
    fewestSteps(timed, deadlineMs, shortened.length) ?? timed.criticalPath.filter((node) => shortened.includes(node));
  const total = chain.reduce((ms, node) => ms + at(timed.durationMs, node), 0);
  return verdict(timed.graph.keys, chain, `${duration(total)}; the deadline is ${duration(deadlineMs)}.`);
}

/**
 * The smallest chain, when it is smaller than `known`: most(k, v) is the longest that k steps of any path to v take, which
 * is the most of most(k, u) and most(k − 1, u) + duration(v) over all u before v. Rounds go on until some chain is late.
 */
function fewestSteps({ graph, order, durationMs }: Timed, deadlineMs: number, known: number): readonly number[] | null {
  const count = graph.keys.length;
  let before = new Float64Array(count);
  const taken: Uint8Array[] = [];
  const cameFrom: Int32Array[] = [];
  let work = 0;
  for (let k = 1; k < known; k++) {
    work += count + graph.edges.length;
    if (work > SEARCH_LIMIT) return null;
    const most = new Float64Array(count);
    const takes = new Uint8Array(count);
    const from = new Int32Array(count).fill(-1);
    for (const node of order) {
      let without = 0;
      let withoutFrom = -1;
      let shorter = 0;
      let shorterFrom = -1;
      for (let e = at(graph.inStart, node); e < at(graph.inStart, node + 1); e++) {
        const source = at(graph.inFrom, e);
        if (at(most, source) > without) [without, withoutFrom] = [at(most, source), source];
        if (at(before, source) > shorter) [shorter, shorterFrom] = [at(before, source), source];
      }
      const taking = shorter + at(durationMs, node);
      takes[node] = taking > without ? 1 : 0;
      most[node] = Math.max(taking, without);
      from[node] = taking > without ? shorterFrom : withoutFrom;
    }
    taken.push(takes);
    cameFrom.push(from);
    const late = most.findIndex((ms) => ms > deadlineMs);
    if (late >= 0) return traceBack(late, taken, cameFrom);
    before = most;
  }
  return null;
}

function traceBack(end: number, taken: readonly Uint8Array[], cameFrom: readonly Int32Array[]): readonly number[] {
  const chain: number[] = [];
  let node = end;
  let k = taken.length - 1;
  while (node >= 0 && k >= 0) {
    const takes = taken[k]?.[node] === 1;
    const next = cameFrom[k]?.[node] ?? -1;
    if (takes) {
      chain.push(node);
      k--;
    }
    node = next;
  }
  return chain.reverse();
}

/** Fewest steps whose holds alone exceed a limit, over all dimensions. */
function tooDear(keys: readonly string[], holds: readonly Amounts[], limits: Limits): Verdict | null {
  let best: {
    readonly dimension: Dimension;
    readonly nodes: readonly number[];
    readonly sum: number;
    readonly limit: number;
  } | null = null;
  for (const dimension of DIMENSIONS) {
    const limit = limits[dimension];
    if (limit === null) continue;
    const held = holds.map((hold, node): readonly [number, number] => [hold[dimension], node]);
    held.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
    let sum = 0;
    const nodes: number[] = [];
    for (const [amount, node] of held) {
      if (sum > limit || amount === 0) break;
      sum += amount;
      nodes.push(node);
    }
    if (sum > limit && (best === null || nodes.length < best.nodes.length)) best = { dimension, nodes, sum, limit };
  }
  if (best === null) return null;
  const { dimension, sum, limit } = best;
  const nodes = best.nodes.toSorted((a, b) => a - b);
  return verdict(keys, nodes, `${amount(dimension, sum)}; the budget has ${amount(dimension, limit)}.`);
}

function verdict(keys: readonly string[], nodes: readonly number[], rest: string): Verdict {
  const subject = nodes.length === 1 ? "This step alone needs" : `These ${nodes.length} steps alone need`;
  return { feasible: false, counterExample: `${subject} ${rest}`, steps: nodes.map((node) => keys[node] ?? "") };
}

function longestFirst(path: readonly number[], durationMs: Float64Array): readonly number[] {
  return path.toSorted((a, b) => at(durationMs, b) - at(durationMs, a));
}

function amount(dimension: Dimension, value: number): string {
  switch (dimension) {
    case "tokens":
      return `${value} tokens`;
    case "moneyMicros":
      return `${value / 1_000_000} in money`;
    case "wallMs":
      return `${duration(value)} of wall-clock`;
    case "energyMillijoules":
      return `${value / 1_000} J`;
  }
}

/** `900 ms`, `1.5 s`, `2 min`, `1 h 30 min`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${ms} ms`;
  const units: readonly (readonly [string, number])[] = [
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1_000],
  ];
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, length] of units) {
    if (length === 1_000) {
      if (rest > 0) parts.push(`${rest / length} ${unit}`);
    } else if (rest >= length * (parts.length === 0 && unit === "min" ? 2 : 1)) {
      parts.push(`${Math.floor(rest / length)} ${unit}`);
      rest %= length;
    }
  }
  return parts.join(" ");
}
