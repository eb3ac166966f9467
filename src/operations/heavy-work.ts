// Runs heavy computations: small ones here and now, large ones in a worker thread. Nothing on the event loop may take
// longer than 5 ms. Not here: the computations.
import type { CreditInput } from "../domain/credit/leg.ts";
import { traceCredit } from "../domain/credit/trace.ts";
import type { CreditTrace } from "../domain/credit/trace.ts";
import { decided, refusal, RefusedError } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import { join, memoryOf, slice } from "../support/sliced-json.ts";
import type { Sliced } from "../support/sliced-json.ts";
import { workerPool, WorkerPoolFullError } from "../support/worker-pool.ts";
import type { WorkerPool } from "../support/worker-pool.ts";
import { packTransition, unpackGraph } from "./heavy-tasks.ts";
import type { HEAVY_TASKS, HeavyTask } from "./heavy-tasks.ts";
import { refineSteps } from "./refine-steps.ts";
import type { RefinedGraph, RefineInput } from "./refine-steps.ts";
import { transition } from "./transition.ts";
import type { Transition, TransitionInput } from "./transition.ts";

export interface HeavyWork {
  refine(input: RefineInput, signal: AbortSignal): Promise<Decision<RefinedGraph>>;
  transition(input: TransitionInput, signal: AbortSignal): Promise<Transition>;
  credit(input: CreditInput, signal: AbortSignal): Promise<CreditTrace | undefined>;
  /** Ends the threads. */
  close(): Promise<void>;
}

/** Steps up to which a computation stays on the event loop: about 5 ms of work. */
export const INLINE_STEPS = 500;

/** At most `threads` computations at once; when 64 more wait, calls are refused as OVERLOADED. */
export function heavyWork(threads = 1): HeavyWork {
  const pool = workerPool(new URL(import.meta.url.replace(/heavy-work(?=\.[jt]s$)/, "analysis-worker")), {
    size: threads,
    queueLimit: 64,
  });
  const inThread = <T extends HeavyTask>(task: T, input: Input<T>, signal: AbortSignal): Promise<Output<T>> =>
    runInThread(pool, task, input, signal);
  return {
    refine: async (input, signal) => {
      if (input.steps.length <= INLINE_STEPS) return refineSteps(input);
      const graph = await inThread("refine", input, signal);
      return graph.ok ? decided(await unpackGraph(graph.value)) : graph;
    },
    transition: async (input, signal) =>
      input.after.steps.length + input.rows.length <= INLINE_STEPS
        ? transition(input)
        : inThread("transition", await packTransition(input), signal),
    credit: async (input, signal) =>
      input.steps.length <= INLINE_STEPS ? traceCredit(input) : inThread("credit", input, signal),
    close: () => pool.close(),
  };
}

type Input<T extends HeavyTask> = Parameters<(typeof HEAVY_TASKS)[T]>[0];
type Output<T extends HeavyTask> = ReturnType<(typeof HEAVY_TASKS)[T]>;

async function runInThread<T extends HeavyTask>(
  pool: WorkerPool,
  task: T,
  input: Input<T>,
  signal: AbortSignal,
): Promise<Output<T>> {
  try {
    const sliced = await slice(input);
    return (await join(await pool.run<Sliced>(task, sliced, signal, memoryOf(sliced)))) as Output<T>;
  } catch (trouble) {
    if (trouble instanceof WorkerPoolFullError)
      throw new RefusedError(
        refusal("OVERLOADED", "Too many large graphs are being worked on.", {
          rule: "analysis.queue",
          metadata: { limit: "64" },
        }),
      );
    throw trouble;
  }
}
