// Runs heavy computations: small ones here and now, large ones in a worker thread. Nothing on the event loop may take
// longer than 5 ms. Not here: the computations.
import type { CreditInput } from "../domain/credit/leg.ts";
import type { CreditTrace } from "../domain/credit/trace.ts";
import { refusal, RefusedError } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import { join, slice } from "../support/sliced-json.ts";
import type { Sliced } from "../support/sliced-json.ts";
import { workerPool, WorkerPoolFullError } from "../support/worker-pool.ts";
import type { WorkerPool } from "../support/worker-pool.ts";
import { HEAVY_TASKS } from "./heavy-tasks.ts";
import type { HeavyTask } from "./heavy-tasks.ts";
import type { RefinedGraph, RefineInput } from "./refine-steps.ts";
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
  return {
    refine: (input, signal) => run(pool, "refine", input, input.steps.length, signal),
    transition: (input, signal) => run(pool, "transition", input, input.after.steps.length + input.rows.length, signal),
    credit: (input, signal) => run(pool, "credit", input, input.steps.length, signal),
    close: () => pool.close(),
  };
}

async function run<T extends HeavyTask>(
  pool: WorkerPool,
  task: T,
  input: Parameters<(typeof HEAVY_TASKS)[T]>[0],
  steps: number,
  signal: AbortSignal,
): Promise<ReturnType<(typeof HEAVY_TASKS)[T]>> {
  type Result = ReturnType<(typeof HEAVY_TASKS)[T]>;
  if (steps <= INLINE_STEPS) return (HEAVY_TASKS[task] as (i: typeof input) => Result)(input);
  try {
    return (await join(await pool.run<Sliced>(task, await slice(input), signal))) as Result;
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
