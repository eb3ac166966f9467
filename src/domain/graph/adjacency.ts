// Steps and edges as numbers in typed arrays: what every algorithm on graphs walks over. Not here: the algorithms.
import type { Edge } from "../graph.ts";

/** Edges by their source (out) and by their target (in); node n is the n-th key. The edges of n are [start[n], start[n + 1]). */
export interface Adjacency {
  readonly keys: readonly string[];
  readonly edges: readonly Edge[];
  readonly index: ReadonlyMap<string, number>;
  readonly outStart: Int32Array;
  readonly outTo: Int32Array;
  /** Which edge of `edges` it is, beside `outTo`. */
  readonly outEdge: Int32Array;
  readonly inStart: Int32Array;
  readonly inFrom: Int32Array;
}

/** Edges must join keys that are there. */
export function adjacencyOf(keys: readonly string[], edges: readonly Edge[]): Adjacency {
  const count = keys.length;
  const index = new Map(keys.map((key, node) => [key, node]));
  const from = new Int32Array(edges.length);
  const to = new Int32Array(edges.length);
  const outStart = new Int32Array(count + 1);
  const inStart = new Int32Array(count + 1);
  for (let e = 0; e < edges.length; e++) {
    const edge = edges[e] as Edge;
    const source = nodeOf(index, edge.from);
    const target = nodeOf(index, edge.to);
    from[e] = source;
    to[e] = target;
    outStart[source + 1] = at(outStart, source + 1) + 1;
    inStart[target + 1] = at(inStart, target + 1) + 1;
  }
  for (let n = 0; n < count; n++) {
    outStart[n + 1] = at(outStart, n + 1) + at(outStart, n);
    inStart[n + 1] = at(inStart, n + 1) + at(inStart, n);
  }
  const nextOut = outStart.slice();
  const nextIn = inStart.slice();
  const outTo = new Int32Array(edges.length);
  const outEdge = new Int32Array(edges.length);
  const inFrom = new Int32Array(edges.length);
  for (let e = 0; e < edges.length; e++) {
    const source = at(from, e);
    const target = at(to, e);
    const place = at(nextOut, source);
    nextOut[source] = place + 1;
    outTo[place] = target;
    outEdge[place] = e;
    const inPlace = at(nextIn, target);
    nextIn[target] = inPlace + 1;
    inFrom[inPlace] = source;
  }
  return { keys, edges, index, outStart, outTo, outEdge, inStart, inFrom };
}

/** An element of a typed array that is known to be there. */
export function at(array: Int32Array | Float64Array | Uint32Array | Uint8Array, place: number): number {
  return array[place] as number;
}

/**
 * Nodes so that every edge goes forwards; steps of one level keep the order they were given in (Kahn, Comm. ACM 5, 1962).
 * Shorter than the graph when it has a cycle.
 */
export function topologicalOrder(graph: Adjacency): Int32Array {
  const count = graph.keys.length;
  const order = new Int32Array(count);
  const waiting = new Int32Array(count);
  let filled = 0;
  for (let n = 0; n < count; n++) {
    waiting[n] = at(graph.inStart, n + 1) - at(graph.inStart, n);
    if (at(waiting, n) === 0) order[filled++] = n;
  }
  for (let next = 0; next < filled; next++) {
    const node = at(order, next);
    for (let e = at(graph.outStart, node); e < at(graph.outStart, node + 1); e++) {
      const target = at(graph.outTo, e);
      waiting[target] = at(waiting, target) - 1;
      if (at(waiting, target) === 0) order[filled++] = target;
    }
  }
  return order.subarray(0, filled);
}

/** Keys of all steps that depend on any of these, directly or through others; the given ones are not among them. */
export function dependents(edges: readonly Edge[], keys: Iterable<string>): Set<string> {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) {
    const list = next.get(from);
    if (list === undefined) next.set(from, [to]);
    else list.push(to);
  }
  const given = new Set(keys);
  const found = new Set<string>();
  const open = [...given];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    for (const to of next.get(key) ?? []) {
      if (given.has(to) || found.has(to)) continue;
      found.add(to);
      open.push(to);
    }
  }
  return found;
}

function nodeOf(index: ReadonlyMap<string, number>, key: string): number {
  const node = index.get(key);
  if (node === undefined) throw new Error(`An edge names ${key}, which is no step.`);
  return node;
}
