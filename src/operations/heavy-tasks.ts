// The computations that large plans move off the event loop, by name. Steps travel without their definitions, whose texts go
// along anyway. Not here: where they run, see heavy-work.ts.
import { traceCredit } from "../domain/credit/trace.ts";
import type { ComparedGraph } from "../domain/graph/diff.ts";
import { stepOf, storedOf } from "../domain/graph/fingerprint.ts";
import type { StoredStep } from "../domain/graph/fingerprint.ts";
import type { Decision } from "../domain/refusal.ts";
import { mapGently } from "./gently.ts";
import { refineSteps } from "./refine-steps.ts";
import type { RefinedGraph, RefineInput } from "./refine-steps.ts";
import { transition } from "./transition.ts";
import type { Transition, TransitionInput } from "./transition.ts";

type WithoutDefinitions<T> = Omit<T, "steps"> & { readonly steps: readonly StoredStep[] };

/** A refined graph as it travels. */
export type PackedGraph = WithoutDefinitions<RefinedGraph>;

/** A transition's input as it travels. */
export interface PackedTransition extends Omit<TransitionInput, "before" | "after"> {
  readonly before: WithoutDefinitions<ComparedGraph> | null;
  readonly after: WithoutDefinitions<ComparedGraph>;
}

export const HEAVY_TASKS = {
  refine: (input: RefineInput): Decision<PackedGraph> => {
    const graph = refineSteps(input);
    return graph.ok ? { ok: true, value: { ...graph.value, steps: graph.value.steps.map(storedOf) } } : graph;
  },
  transition: ({ before, after, ...rest }: PackedTransition): Transition =>
    transition({
      ...rest,
      before: before === null ? null : { ...before, steps: before.steps.map(stepOf) },
      after: { ...after, steps: after.steps.map(stepOf) },
    }),
  credit: traceCredit,
} as const;

export type HeavyTask = keyof typeof HEAVY_TASKS;

export async function unpackGraph(graph: PackedGraph): Promise<RefinedGraph> {
  return { ...graph, steps: await mapGently(graph.steps, stepOf) };
}

export async function packTransition({ before, after, ...rest }: TransitionInput): Promise<PackedTransition> {
  return {
    ...rest,
    before: before === null ? null : { ...before, steps: await mapGently(before.steps, storedOf) },
    after: { ...after, steps: await mapGently(after.steps, storedOf) },
  };
}
