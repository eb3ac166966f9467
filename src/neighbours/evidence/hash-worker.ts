// Entry of a worker thread: takes digests of several streams of content, piece by piece. Not here: where the pieces come from, see
// hashing.ts.
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import type { WorkerAnswer } from "../../support/worker-pool.ts";
import type { HashOrder } from "./hashing.ts";

/** More than are ever read at once: streams that broke off are the oldest, and go. */
const STREAMS = 256;
const streams = new Map<number, readonly (readonly [string, Hash])[]>();

function take({ stream, isFirst, isLast, algorithms, piece }: HashOrder): Readonly<Record<string, string>> | null {
  const hashes = isFirst ? algorithms.map((name) => [name, createHash(name)] as const) : streams.get(stream);
  if (hashes === undefined) throw new Error("its beginning was taken by another thread");
  for (const [, hash] of hashes) hash.update(piece);
  streams.delete(stream);
  if (isLast) return Object.fromEntries(hashes.map(([name, hash]) => [name, hash.digest("hex")]));
  streams.set(stream, hashes);
  const [oldest] = streams.keys();
  if (streams.size > STREAMS && oldest !== undefined) streams.delete(oldest);
  return null;
}

parentPort?.on("message", ({ id, input }: { readonly id: number; readonly input: HashOrder }) => {
  let answer: WorkerAnswer;
  try {
    answer = { id, value: take(input) };
  } catch (trouble) {
    answer = { id, trouble: trouble instanceof Error ? (trouble.stack ?? trouble.message) : String(trouble) };
  }
  parentPort?.postMessage(answer);
});
