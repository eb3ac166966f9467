// Entry of a worker thread: runs heavy tasks one after another. Not here: the tasks, see heavy-tasks.ts.
import { parentPort } from "node:worker_threads";
import { join, memoryOf, slice } from "../support/sliced-json.ts";
import type { Sliced } from "../support/sliced-json.ts";
import type { WorkerAnswer } from "../support/worker-pool.ts";
import { HEAVY_TASKS } from "./heavy-tasks.ts";
import type { HeavyTask } from "./heavy-tasks.ts";

interface Order {
  readonly id: number;
  readonly task: HeavyTask;
  readonly input: Sliced;
}

async function carryOut({ id, task, input }: Order): Promise<void> {
  const say = (answer: WorkerAnswer, handedOver: readonly ArrayBuffer[] = []): void =>
    parentPort?.postMessage(answer, handedOver);
  try {
    const run = HEAVY_TASKS[task] as (value: unknown) => unknown;
    const value = await slice(run(await join(input)));
    say({ id, value }, memoryOf(value));
  } catch (trouble) {
    say({ id, trouble: trouble instanceof Error ? (trouble.stack ?? trouble.message) : String(trouble) });
  }
}

parentPort?.on("message", (order: Order) => {
  void carryOut(order);
});
