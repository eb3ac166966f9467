// Entry of a worker thread: examines one piece of evidence after another. Not here: what is looked for, see examine.ts.
import { parentPort } from "node:worker_threads";
import type { WorkerAnswer } from "../../support/worker-pool.ts";
import { examineBytes } from "./examine.ts";
import type { EvidenceBytes } from "./examine.ts";

parentPort?.on("message", ({ id, input }: { readonly id: number; readonly input: EvidenceBytes }) => {
  parentPort?.postMessage({ id, began: true } satisfies WorkerAnswer);
  let answer: WorkerAnswer;
  try {
    answer = { id, value: examineBytes(input) };
  } catch (trouble) {
    answer = { id, trouble: trouble instanceof Error ? (trouble.stack ?? trouble.message) : String(trouble) };
  }
  parentPort?.postMessage(answer);
});
