// Analysis, reduction, cycles and verdicts against brute force on small random graphs.
import { describe, expect, it } from "vitest";
import { NO_LIMITS } from "../../src/domain/amounts.ts";
import { analyse } from "../../src/domain/graph/analysis.ts";
import type { AnalysedGraph } from "../../src/domain/graph/analysis.ts";
import { adjacencyOf, dependents, topologicalOrder } from "../../src/domain/graph/adjacency.ts";
import { cycleText, findCycles } from "../../src/domain/graph/cycles.ts";
import { deriveEdges } from "../../src/domain/graph/edges.ts";
import { duration } from "../../src/domain/graph/feasibility.ts";
import { redundantEdges } from "../../src/domain/graph/reduction.ts";
import type { Edge } from "../../src/domain/graph.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { about, dice, randomSteps, workStep } from "../support/random-graph.ts";

const OPTIONS = { deadlineMs: null, limits: NO_LIMITS, servable: () => true };

function analysed(
  steps: readonly StepDefinition[],
  options: Partial<Parameters<typeof analyse>[2]> = {},
): AnalysedGraph {
  const { edges, violations } = deriveEdges(steps);
  expect(violations).toEqual([]);
  return analyse(steps, edges, { ...OPTIONS, ...options });
}

/** All paths of a small graph, as lists of edges. */
function allPaths(edges: readonly Edge[], from: string): Edge[][] {
  return edges
    .filter((edge) => edge.from === from)
    .flatMap((edge) => [[edge], ...allPaths(edges, edge.to).map((rest) => [edge, ...rest])]);
}

function likely(step: StepDefinition | undefined): number {
  return step?.estimate?.likelyMs ?? 0;
}

describe("analysis", () => {
  it("agrees with brute force over all paths of 300 small graphs", () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = dice(seed);
      const steps = randomSteps(random, {
        steps: 1 + random.below(8),
        needs: 1 + random.fraction(),
        regardless: 0.3,
        references: 0.3,
      });
      const byKey = new Map(steps.map((step) => [step.key, step]));
      const { analysis, steps: placed, edges } = analysed(steps);
      const chains = steps.flatMap((step) => [
        [step.key],
        ...allPaths(edges, step.key).map((path) => [step.key, ...path.map((edge) => edge.to)]),
      ]);
      const length = (chain: readonly string[]): number => chain.reduce((ms, key) => ms + likely(byKey.get(key)), 0);
      expect(analysis.makespanMs).toBe(Math.max(...chains.map(length)));
      expect(length(analysis.criticalPath)).toBe(analysis.makespanMs);
      expect(chains).toContainEqual(analysis.criticalPath);
      expect(analysis.levels).toBe(Math.max(...chains.map((chain) => chain.length)));
      for (const step of placed) {
        const { key } = step.definition;
        const ending = chains.filter((chain) => chain.at(-1) === key);
        const through = chains.filter((chain) => chain.includes(key));
        expect(step.level).toBe(Math.max(...ending.map((chain) => chain.length)) - 1);
        expect(step.earliestMs).toBe(Math.max(...ending.map(length)) - likely(step.definition));
        expect(step.totalSlackMs).toBe(analysis.makespanMs - Math.max(...through.map(length)));
        const next = edges
          .filter((edge) => edge.from === key)
          .map((edge) => placed.find((other) => other.definition.key === edge.to)?.earliestMs ?? 0);
        expect(step.freeSlackMs).toBe(
          Math.min(analysis.makespanMs, ...next) - step.earliestMs - likely(step.definition),
        );
        expect(step.latestMs - step.earliestMs).toBe(step.totalSlackMs);
      }
      const widths = new Map<number, number>();
      for (const { level } of placed) widths.set(level, (widths.get(level) ?? 0) + 1);
      expect(analysis.width).toBe(Math.max(...widths.values()));
      for (const edge of edges) {
        const others = edges.filter((other) => other !== edge);
        const follows = allPaths(others, edge.from).some(
          (path) =>
            path.at(-1)?.to === edge.to && path.every((part, n) => !part.regardless || (n === 0 && edge.regardless)),
        );
        expect([edge.from, edge.to, edge.redundant]).toEqual([edge.from, edge.to, follows]);
      }
    }
  });

  it("finds the same redundant edges in many small rounds of columns as in one", () => {
    for (let seed = 0; seed < 20; seed++) {
      const steps = randomSteps(dice(seed), { steps: 150, needs: 3, regardless: 0.2 });
      const graph = adjacencyOf(
        steps.map((step) => step.key),
        deriveEdges(steps).edges,
      );
      const order = topologicalOrder(graph);
      expect(redundantEdges(graph, order, 1_000)).toEqual(redundantEdges(graph, order));
    }
  });

  it("takes PERT's mean and percentiles over the critical path", () => {
    const { analysis, steps } = analysed([
      workStep("a", { estimate: { optimisticMs: 1_000, likelyMs: 2_000, pessimisticMs: 9_000 } }),
      workStep("b", {
        estimate: { optimisticMs: 2_000, likelyMs: 2_000, pessimisticMs: 2_000 },
        needs: [{ step: "a", regardless: false }],
      }),
      workStep("c", { estimate: about(10) }),
    ]);
    expect(analysis).toMatchObject({
      makespanMs: 4_000,
      makespanP50Ms: 5_000,
      makespanP90Ms: Math.round(5_000 + (1.2816 * 8_000) / 6),
      criticalPath: ["a", "b"],
    });
    expect(steps.map((step) => [step.critical, step.expectedMs])).toEqual([
      [true, 3_000],
      [true, 2_000],
      [false, 13],
    ]);
  });

  it("names steps that nobody can do, and sums the holds", () => {
    const hold = { tokens: 5, moneyMicros: 6, wallMs: 7, energyMillijoules: 8 };
    const { analysis } = analysed([workStep("a", { hold }), workStep("b", { hold, capability: "x" })], {
      servable: (step) => step.capability === "shell",
    });
    expect(analysis.unservableSteps).toEqual(["b"]);
    expect(analysis.worstCase).toEqual({ tokens: 10, moneyMicros: 12, wallMs: 14, energyMillijoules: 16 });
  });

  it("gives the smallest chain that is late, as brute force finds it", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = dice(seed);
      const steps = randomSteps(random, { steps: 2 + random.below(7), needs: 1.2 });
      const deadlineMs = 200 + random.below(30) * 100;
      const { analysis, edges } = analysed(steps, { deadlineMs });
      const byKey = new Map(steps.map((step) => [step.key, step]));
      const chains = steps.flatMap((step) => [
        [step.key],
        ...allPaths(edges, step.key).map((path) => [step.key, ...path.map((edge) => edge.to)]),
      ]);
      let fewest = Infinity;
      for (const chain of chains) {
        let sum = 0;
        const durations = chain.map((key) => likely(byKey.get(key))).sort((a, b) => b - a);
        durations.forEach((ms, n) => {
          sum += ms;
          if (sum > deadlineMs) fewest = Math.min(fewest, n + 1);
        });
      }
      expect(analysis.feasible).toBe(fewest === Infinity);
      if (fewest === Infinity) continue;
      const named = analysis.counterExampleSteps;
      expect(named).toHaveLength(fewest);
      expect(named.reduce((ms, key) => ms + likely(byKey.get(key)), 0)).toBeGreaterThan(deadlineMs);
      expect(chains.some((chain) => named.every((key) => chain.includes(key)))).toBe(true);
    }
  });

  it("says in words what does not fit", () => {
    const chain = ["a", "b", "c"].map((key, n, keys) =>
      workStep(key, {
        estimate: about(n === 1 ? 1_000 : 7_000),
        hold: { tokens: 40, moneyMicros: 0, wallMs: 0, energyMillijoules: 0 },
        needs: n === 0 ? [] : [{ step: keys[n - 1] as string, regardless: false }],
      }),
    );
    const late = analysed(chain, { deadlineMs: 8_000 }).analysis;
    expect([late.counterExample, late.counterExampleSteps]).toEqual([
      "These 2 steps alone need 14 s; the deadline is 8 s.",
      ["a", "c"],
    ]);
    const dear = analysed(chain, { limits: { ...NO_LIMITS, tokens: 79 } }).analysis;
    expect([dear.counterExample, dear.counterExampleSteps]).toEqual([
      "These 2 steps alone need 80 tokens; the budget has 79 tokens.",
      ["a", "b"],
    ]);
    expect(analysed(chain, { deadlineMs: 15_000, limits: { ...NO_LIMITS, tokens: 120 } }).analysis.feasible).toBe(true);
    expect([900, 1_500, 119_000, 120_000, 5_400_000, 3_600_000].map(duration)).toEqual([
      "900 ms",
      "1.5 s",
      "119 s",
      "2 min",
      "1 h 30 min",
      "1 h",
    ]);
  });

  it("handles a chain of 20,000 steps and a graph of 10,000 steps and 30,000 edges without recursion", () => {
    const long = Array.from({ length: 20_000 }, (_, n) =>
      workStep(`s${n}`, { needs: n === 0 ? [] : [{ step: `s${n - 1}`, regardless: false }] }),
    );
    expect(analysed(long).analysis).toMatchObject({ levels: 20_000, width: 1, redundantEdgeCount: 0 });
    const wide = randomSteps(dice(7), { steps: 10_000, needs: 3 });
    const { edges } = deriveEdges(wide);
    expect(edges.length).toBeGreaterThan(29_000);
    expect(analyse(wide, edges, OPTIONS).edges.filter((edge) => edge.redundant).length).toBeGreaterThan(0);
  });

  it("finds dependents through others", () => {
    const edges = (["a b", "b c", "x c", "c d"] as const).map((pair): Edge => ({
      from: pair.charAt(0),
      to: pair.charAt(2),
      kind: "EXPLICIT",
      regardless: false,
    }));
    expect(dependents(edges, ["b", "x"])).toEqual(new Set(["c", "d"]));
    expect(dependents(edges, [])).toEqual(new Set());
  });
});

describe("cycles", () => {
  const edge = (pair: string): Edge => ({
    from: pair.split(" ")[0] as string,
    to: pair.split(" ")[1] as string,
    kind: "EXPLICIT",
    regardless: false,
  });

  it("names one shortest cycle of every component by its path", () => {
    const edges = ["a b", "b c", "c a", "c b", "d d", "e f", "a e"].map(edge);
    expect(findCycles(["a", "b", "c", "d", "e", "f"], edges).map(cycleText).sort()).toEqual(["b → c → b", "d → d"]);
  });

  it("agrees with brute force on 300 small random graphs", () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = dice(seed);
      const keys = Array.from({ length: 2 + random.below(6) }, (_, n) => `n${n}`);
      const edges = [
        ...new Set(Array.from({ length: random.below(12) }, () => `${random.pick(keys)} ${random.pick(keys)}`)),
      ].map(edge);
      const reach = (from: string): Set<string> =>
        dependents(
          edges.filter((one) => one.from !== one.to),
          [from],
        );
      const back = (from: string): number => {
        let depth = 0;
        let ring = new Set([from]);
        while (depth <= keys.length) {
          depth++;
          ring = new Set(edges.filter((one) => ring.has(one.from)).map((one) => one.to));
          if (ring.has(from)) return depth;
        }
        return Infinity;
      };
      const cycles = findCycles(keys, edges);
      const cyclic = keys.filter((key) => back(key) !== Infinity);
      for (const key of cyclic) {
        const mine = cycles.find((cycle) =>
          cycle.some((other) => other === key || (reach(key).has(other) && reach(other).has(key))),
        );
        expect(mine).toBeDefined();
        expect(mine?.length).toBeLessThanOrEqual(back(key));
      }
      for (const cycle of cycles)
        cycle.forEach((key, n) =>
          expect(edges).toContainEqual(edge(`${key} ${cycle[(n + 1) % cycle.length] as string}`)),
        );
      expect(cycles.length === 0).toBe(cyclic.length === 0);
    }
  });

  it("finds its way through a ring of 50,000 steps", () => {
    const keys = Array.from({ length: 50_000 }, (_, n) => `n${n}`);
    const [ring] = findCycles(
      keys,
      keys.map((key, n) => edge(`${key} ${keys[(n + 1) % keys.length] as string}`)),
    );
    expect(ring).toHaveLength(50_000);
    expect(cycleText(ring ?? [])).toMatch(/^n0 → .* more … → .* → n49999 → n0$/);
  });
});
