// The executor that performs recorded tasks by taking as long as they did, scaled. Not here: which tasks, see plan.ts.
import { setTimeout as sleep } from "node:timers/promises";
import { Executor } from "../../executor/executor.ts";
import type { ExecutorOptions } from "../../executor/executor.ts";
import { TASK_CAPABILITY } from "./plan.ts";
import type { TaskInput } from "./plan.ts";

/** It names the files that a task made, and says their size; `start()` attaches it. */
export function simulatedExecutor(options: ExecutorOptions): Executor {
  return new Executor(options).on<TaskInput>(TASK_CAPABILITY, async ({ input }, context) => {
    const { task, sleep_ms: sleepMs, written_bytes: writtenBytes, writes } = input;
    if (sleepMs > 0) await sleep(sleepMs, undefined, { signal: context.signal });
    for (const { name, bytes } of writes)
      context.artifact({ name, uri: `wfcommons:${encodeURIComponent(name)}`, sizeBytes: Math.round(bytes) });
    return { task, written_bytes: writtenBytes };
  });
}
