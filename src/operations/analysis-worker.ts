// Entry of a worker thread: runs heavy tasks one after another. Not here: the tasks, see heavy-tasks.ts.
import { parentPort } from "node:worker_threads";
import type { WorkerAnswer } from "../support/worker-pool.ts";
import { HEAVY_TASKS } from "./heavy-tasks.ts";
import type { HeavyTask } from "./heavy-tasks.ts";

parentPort?.on(
  "message",
  ({ id, task, input }: { readonly id: number; readonly task: HeavyTask; readonly input: never }) => {
    let answer: WorkerAnswer;
    try {
      answer = { id, value: HEAVY_TASKS[task](input) };
    } catch (trouble) {
      answer = { id, trouble: trouble instanceof Error ? (trouble.stack ?? trouble.message) : String(trouble) };
    }
    parentPort?.postMessage(answer);
  },
);
