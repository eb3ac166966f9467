// A bounded pool of worker threads for computations that would hold up the event loop. Not here: what is computed.
import { Worker } from "node:worker_threads";
import type { ResourceLimits } from "node:worker_threads";
import { createRoundRobin } from "./round-robin.ts";

export interface WorkerPool {
  /**
   * Runs a named task of the worker's module on structured-clonable input, whose memory in `handedOver` is not copied and not
   * to be used again. Rejects with what the task threw, or the abort's reason.
   */
  run<T>(
    task: string,
    input: unknown,
    signal: AbortSignal,
    handedOver?: readonly ArrayBuffer[],
    whose?: Whose,
  ): Promise<T>;
  /** Ends all threads; tasks under way are rejected. */
  close(): Promise<void>;
}

/** Whose a task is. */
export interface Whose {
  /** Owners take turns. */
  readonly owner?: string;
  /** Told when a thread takes it. */
  readonly onTaken?: () => void;
}

/** The queue is full; try again later. */
export class WorkerPoolFullError extends Error {}
/** The task took longer than it may: its thread was ended. */
export class WorkerTaskTooLongError extends Error {}
/** The pool was closed. */
export class WorkerPoolClosedError extends Error {}

interface Job {
  readonly id: number;
  readonly task: string;
  readonly input: unknown;
  readonly handedOver: readonly ArrayBuffer[];
  readonly resolve: (value: unknown) => void;
  readonly reject: (trouble: unknown) => void;
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
  readonly onTaken: (() => void) | undefined;
  /** Ends the thread of a task that takes too long. */
  deadline?: NodeJS.Timeout;
}

export interface WorkerPoolOptions {
  readonly size: number;
  readonly queueLimit: number;
  /** Longest that a task may take in its thread, from when its module says that it began; for ever unless given. */
  readonly taskMs?: number;
  /** Memory of a thread; whoever takes more ends it, and nothing else. */
  readonly resourceLimits?: ResourceLimits;
}

/** What a worker's module answers to `{ id, task, input }`. Of a pool with `taskMs` it says first that it began. */
export type WorkerAnswer =
  | { readonly id: number; readonly began: true }
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly trouble: string };

/**
 * Threads are started when they are first needed and do not keep the process alive. A call that is aborted while its task
 * runs is rejected at once; the thread finishes the task and its answer is dropped. Beyond `queueLimit` waiting calls,
 * `run` rejects with WorkerPoolFullError.
 */
export function workerPool(module: URL, options: WorkerPoolOptions): WorkerPool {
  const idle: Worker[] = [];
  const running = new Map<Worker, Job>();
  const queue = createRoundRobin<Job>();
  let closed = false;
  let nextId = 1;

  const settle = (worker: Worker, end: (job: Job) => void): void => {
    const job = running.get(worker);
    running.delete(worker);
    if (job === undefined) return;
    clearTimeout(job.deadline);
    job.signal.removeEventListener("abort", job.onAbort);
    end(job);
  };
  /** Not before: a busy machine takes seconds to start a thread, and that is not the task's fault. */
  const limit = (worker: Worker): void => {
    const job = running.get(worker);
    if (job === undefined || options.taskMs === undefined) return;
    job.deadline = setTimeout(() => {
      settle(worker, ({ reject }) => {
        reject(new WorkerTaskTooLongError("a task took longer than it may"));
      });
      void worker.terminate();
    }, options.taskMs);
  };
  const start = (): Worker => {
    const { resourceLimits } = options;
    const worker = new Worker(module, resourceLimits === undefined ? {} : { resourceLimits });
    worker.unref();
    worker.on("message", (answer: WorkerAnswer) => {
      // An answer that comes while its thread is being ended is none.
      if (!running.has(worker)) return;
      if ("began" in answer) return limit(worker);
      settle(worker, (job) => {
        if ("trouble" in answer) job.reject(new Error(answer.trouble));
        else job.resolve(answer.value);
      });
      worker.unref();
      if (closed) return;
      idle.push(worker);
      pump();
    });
    // A thread that breaks takes its task along; the next task gets a new one.
    worker.on("error", (trouble) => {
      settle(worker, (job) => {
        job.reject(trouble);
      });
    });
    worker.on("exit", () => {
      const at = idle.indexOf(worker);
      if (at >= 0) idle.splice(at, 1);
      settle(worker, (job) => {
        job.reject(new Error("a worker thread ended before its task"));
      });
      if (!closed) pump();
    });
    return worker;
  };
  const pump = (): void => {
    while (queue.size() > 0) {
      const worker = idle.pop() ?? (running.size < options.size ? start() : undefined);
      if (worker === undefined) return;
      const job = queue.next();
      if (job === undefined) return;
      running.set(worker, job);
      worker.ref();
      worker.postMessage({ id: job.id, task: job.task, input: job.input }, job.handedOver);
      job.onTaken?.();
    }
  };
  return {
    run: <T>(
      task: string,
      input: unknown,
      signal: AbortSignal,
      handedOver: readonly ArrayBuffer[] = [],
      { owner = "", onTaken }: Whose = {},
    ) =>
      new Promise<T>((resolve, reject) => {
        if (closed) throw new WorkerPoolClosedError("the worker pool is closed");
        signal.throwIfAborted();
        if (queue.size() >= options.queueLimit)
          throw new WorkerPoolFullError("too many computations wait for a thread");
        const onAbort = (): void => {
          queue.remove(owner, job);
          reject(signal.reason as Error);
        };
        const job: Job = {
          id: nextId++,
          task,
          input,
          handedOver,
          resolve: resolve as (value: unknown) => void,
          reject,
          signal,
          onAbort,
          onTaken,
        };
        signal.addEventListener("abort", onAbort, { once: true });
        queue.add(owner, job);
        pump();
      }),
    close: async () => {
      closed = true;
      const ended = new WorkerPoolClosedError("the worker pool is closed");
      for (let job = queue.next(); job !== undefined; job = queue.next()) {
        job.signal.removeEventListener("abort", job.onAbort);
        job.reject(ended);
      }
      const threads = [...idle, ...running.keys()];
      for (const worker of [...running.keys()]) {
        settle(worker, (job) => {
          job.reject(ended);
        });
      }
      await Promise.all(threads.map((worker) => worker.terminate()));
    },
  };
}
