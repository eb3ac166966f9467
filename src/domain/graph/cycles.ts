// Cycles of a graph, named by their paths. Not here: what a cyclic graph is refused with, see the operations.
import type { Edge } from "../graph.ts";
import { adjacencyOf, at } from "./adjacency.ts";
import type { Adjacency } from "./adjacency.ts";

/** Edges that the search for a shortest cycle looks at in one component; beyond that the shortest one found is named. */
const SEARCH_LIMIT = 5_000_000;
/** Cycles that are named at most. */
const CYCLES_LIMIT = 100;

/** One shortest cycle of every strongly connected component, at most 100: its keys in order, the first one not repeated. */
export function findCycles(keys: readonly string[], edges: readonly Edge[]): readonly (readonly string[])[] {
  const graph = adjacencyOf(keys, edges);
  const cycles: (readonly string[])[] = [];
  const { component, members } = components(graph);
  for (const nodes of members) {
    if (cycles.length >= CYCLES_LIMIT) break;
    const [only = 0] = nodes;
    if (nodes.length > 1) cycles.push(shortestCycle(graph, component, nodes));
    else if (hasEdge(graph, only, only)) cycles.push([keyOf(graph, only)]);
  }
  return cycles;
}

/** `a → b → a`; long cycles are shortened in the middle. */
export function cycleText(cycle: readonly string[]): string {
  const shown =
    cycle.length > 20 ? [...cycle.slice(0, 10), `… ${cycle.length - 19} more …`, ...cycle.slice(-9)] : cycle;
  return [...shown, cycle[0] ?? ""].join(" → ");
}

/** Strongly connected components that hold a cycle or may: more than one node, or one. Tarjan, SIAM J. Comput. 1(2), 1972, without recursion. */
function components(graph: Adjacency): {
  readonly component: Int32Array;
  readonly members: readonly (readonly number[])[];
} {
  const count = graph.keys.length;
  const number = new Int32Array(count).fill(-1);
  const low = new Int32Array(count);
  const component = new Int32Array(count).fill(-1);
  const nextEdge = graph.outStart.slice();
  const members: number[][] = [];
  const stack: number[] = [];
  let numbered = 0;
  for (let root = 0; root < count; root++) {
    if (at(number, root) >= 0) continue;
    const path = [root];
    number[root] = low[root] = numbered++;
    stack.push(root);
    for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
      const edge = at(nextEdge, node);
      if (edge < at(graph.outStart, node + 1)) {
        nextEdge[node] = edge + 1;
        const target = at(graph.outTo, edge);
        if (at(number, target) < 0) {
          number[target] = low[target] = numbered++;
          stack.push(target);
          path.push(target);
        } else if (at(component, target) < 0) low[node] = Math.min(at(low, node), at(number, target));
        continue;
      }
      path.pop();
      const parent = path.at(-1);
      if (parent !== undefined) low[parent] = Math.min(at(low, parent), at(low, node));
      if (at(low, node) !== at(number, node)) continue;
      const nodes = stack.splice(stack.lastIndexOf(node));
      for (const member of nodes) component[member] = members.length;
      members.push(nodes.sort((a, b) => a - b));
    }
  }
  return { component, members };
}

/** A shortest cycle through a component: breadth first from each of its nodes until the limit is reached. */
function shortestCycle(graph: Adjacency, component: Int32Array, nodes: readonly number[]): readonly string[] {
  const id = at(component, nodes[0] ?? 0);
  const loop = nodes.find((node) => hasEdge(graph, node, node));
  if (loop !== undefined) return [keyOf(graph, loop)];
  const parent = new Int32Array(graph.keys.length);
  const seen = new Int32Array(graph.keys.length).fill(-1);
  const depth = new Int32Array(graph.keys.length);
  let best: number[] = [];
  let looked = 0;
  for (const start of nodes) {
    if (best.length > 0 && (best.length <= 2 || looked > SEARCH_LIMIT)) break;
    const queue = [start];
    seen[start] = start;
    depth[start] = 1;
    let end = -1;
    for (let next = 0; next < queue.length && end < 0; next++) {
      const node = queue[next] as number;
      if (best.length > 0 && at(depth, node) >= best.length) break;
      for (let e = at(graph.outStart, node); e < at(graph.outStart, node + 1); e++) {
        looked++;
        const target = at(graph.outTo, e);
        if (target === start) {
          end = node;
          break;
        }
        if (at(component, target) !== id || at(seen, target) === start) continue;
        seen[target] = start;
        parent[target] = node;
        depth[target] = at(depth, node) + 1;
        queue.push(target);
      }
    }
    if (end < 0) continue;
    best = [];
    for (let node = end; node !== start; node = at(parent, node)) best.push(node);
    best.push(start);
    best.reverse();
  }
  return best.map((node) => keyOf(graph, node));
}

function hasEdge(graph: Adjacency, from: number, to: number): boolean {
  return graph.outTo.subarray(at(graph.outStart, from), at(graph.outStart, from + 1)).includes(to);
}

function keyOf(graph: Adjacency, node: number): string {
  return graph.keys[node] ?? "";
}
