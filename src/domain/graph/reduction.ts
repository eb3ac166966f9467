// Transitive reduction: which edges follow from others. Not here: what is done with them, see analysis.ts and diff.ts.
import { at } from "./adjacency.ts";
import type { Adjacency } from "./adjacency.ts";

/** Memory for one round of reachability sets. */
const ROUND_BYTES = 64 * 1024 * 1024;

/**
 * Marks the redundant edges of an acyclic graph (Aho, Garey and Ullman, SIAM J. Comput. 1(2), 1972). A step whose need did
 * not succeed is skipped at once, maybe before others end, so kinds of edges matter:
 * a strict edge follows from a path of strict edges; one that waits regardless follows from a path whose first edge is of
 * any kind and whose others are strict. Sets of reachable nodes are bits over the topological order, in rounds of columns
 * so that no more than 64 MiB are used.
 */
export function redundantEdges(graph: Adjacency, order: Int32Array, roundBytes = ROUND_BYTES): Uint8Array {
  const count = order.length;
  const redundant = new Uint8Array(graph.edges.length);
  const rank = new Int32Array(count);
  for (let r = 0; r < count; r++) rank[at(order, r)] = r;
  const { outs, outEdge } = sortedByRank(graph, rank);
  const perRound = Math.min(roundUp(count), Math.max(32, Math.floor((roundBytes * 8) / Math.max(1, count) / 32) * 32));
  const words = perRound / 32;
  const rows = new Uint32Array((count + 1) * words);
  for (let from = 0; from < count; from += perRound) {
    if (from > 0) rows.fill(0);
    reduceColumns({ graph, order, outs, outEdge, rows, words, redundant }, from, Math.min(count, from + perRound));
  }
  return redundant;
}

interface Reduction {
  readonly graph: Adjacency;
  readonly order: Int32Array;
  readonly outs: Int32Array;
  readonly outEdge: Int32Array;
  /** A row of `words` words for each rank; one more at the end to work in. */
  readonly rows: Uint32Array;
  readonly words: number;
  readonly redundant: Uint8Array;
}

/** One round: columns [from, to) of the reachability sets of the nodes that come before `to`. */
function reduceColumns(
  { graph, order, outs, outEdge, rows, words, redundant }: Reduction,
  from: number,
  to: number,
): void {
  const spare = order.length * words;
  for (let r = to - 1; r >= 0; r--) {
    const node = at(order, r);
    const first = at(graph.outStart, node);
    const end = at(graph.outStart, node + 1);
    const row = r * words;
    // Strict edges, nearest targets first: what a nearer one reaches need not be joined again.
    let loose = false;
    for (let e = first; e < end; e++) {
      const target = at(outs, e);
      if (target >= to) break;
      const edge = at(outEdge, e);
      if (graph.edges[edge]?.regardless === true) loose = true;
      else if (target >= from && hasBit(rows, row, target - from)) redundant[edge] = 1;
      // Edges into earlier columns have been judged: a redundant one reaches nothing that others do not.
      else if (at(redundant, edge) === 0) join(rows, row, target * words, words, target - from);
    }
    if (loose) {
      rows.copyWithin(spare, row, row + words);
      for (let e = first; e < end && at(outs, e) < to; e++) {
        if (graph.edges[at(outEdge, e)]?.regardless === true)
          join(rows, spare, at(outs, e) * words, words, at(outs, e) - from);
      }
      for (let e = first; e < end && at(outs, e) < to; e++) {
        const edge = at(outEdge, e);
        if (at(outs, e) >= from && graph.edges[edge]?.regardless === true && hasBit(rows, spare, at(outs, e) - from))
          redundant[edge] = 1;
      }
    }
    for (let e = first; e < end && at(outs, e) < to; e++) {
      const column = at(outs, e) - from;
      if (column < 0 || graph.edges[at(outEdge, e)]?.regardless === true) continue;
      rows[row + (column >>> 5)] = at(rows, row + (column >>> 5)) | (1 << (column & 31));
    }
  }
}

function hasBit(rows: Uint32Array, row: number, column: number): boolean {
  return ((at(rows, row + (column >>> 5)) >>> (column & 31)) & 1) === 1;
}

/** Adds the set at `other` to the one at `row`. Nothing before its own column can be reached from a node. */
function join(rows: Uint32Array, row: number, other: number, words: number, column: number): void {
  for (let w = column > 0 ? column >>> 5 : 0; w < words; w++)
    rows[row + w] = (rows[row + w] as number) | (rows[other + w] as number);
}

function roundUp(count: number): number {
  return Math.max(32, Math.ceil(count / 32) * 32);
}

/** Targets as ranks, the edges of each node in the order of their targets' ranks. */
function sortedByRank(graph: Adjacency, rank: Int32Array): { readonly outs: Int32Array; readonly outEdge: Int32Array } {
  const outs = new Int32Array(graph.outTo.length);
  const outEdge = new Int32Array(graph.outTo.length);
  for (let node = 0; node < graph.keys.length; node++) {
    const first = at(graph.outStart, node);
    const end = at(graph.outStart, node + 1);
    const places = Array.from({ length: end - first }, (_, i) => first + i);
    if (places.length > 1) places.sort((a, b) => at(rank, at(graph.outTo, a)) - at(rank, at(graph.outTo, b)));
    for (const [i, place] of places.entries()) {
      outs[first + i] = at(rank, at(graph.outTo, place));
      outEdge[first + i] = at(graph.outEdge, place);
    }
  }
  return { outs, outEdge };
}
