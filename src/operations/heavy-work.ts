// Runs heavy computations: small ones here and now, large ones in a worker thread. Nothing on the event loop may take
// longer than 5 ms. Not here: the computations.
import type { CreditInput } from "../domain/credit/leg.ts";
import { traceCredit } from "../domain/credit/trace.ts";
import type { CreditTrace } from "../domain/credit/trace.ts";
import { decided, refusal, RefusedError } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { OperationContext } from "../engine/operation.ts";
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

/** The call that something is computed for. */
export type CallAtHand = Pick<OperationContext, "signal" | "largeWork">;

export interface HeavyWork {
  refine(input: RefineInput, call: CallAtHand): Promise<Decision<RefinedGraph>>;
  transition(input: TransitionInput, call: CallAtHand): Promise<Transition>;
  credit(input: CreditInput, call: CallAtHand): Promise<CreditTrace | undefined>;
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
  const inThread = <T extends HeavyTask>(task: T, input: Input<T>, { signal }: CallAtHand): Promise<Output<T>> =>
    runInThread(pool, task, input, signal);
  return {
    refine: async (input, call) => {
      if (input.steps.length <= INLINE_STEPS) return refineSteps(input);
      call.largeWork.begin();
      const graph = await inThread("refine", input, call);
      return graph.ok ? decided(await unpackGraph(graph.value)) : graph;
    },
    transition: async (input, call) => {
      if (input.after.steps.length + input.rows.length <= INLINE_STEPS) return transition(input);
      call.largeWork.begin();
      return inThread("transition", await packTransition(input), call);
    },
    credit: async (input, call) => {
      if (input.steps.length <= INLINE_STEPS) return traceCredit(input);
      call.largeWork.begin();
      return inThread("credit", input, call);
    },
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
