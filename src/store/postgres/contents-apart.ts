// Contents in a thread of their own, as the event loop sees it: bytes are handed over, answers awaited. The thread starts with the
// first bytes. Not here: what it does, see content-worker.ts.
import { Worker } from "node:worker_threads";
import type { ContentStore } from "../ports/contents.ts";
import { StoreUnavailableError } from "../ports/store.ts";
import { reasonOf } from "./connection.ts";
import { errorOf } from "./content-messages.ts";
import type { ContentThreadData, Errand, FromThread, ToThread } from "./content-messages.ts";

export interface ContentsApart extends ContentStore {
  /** Waits for what is under way. */
  close(): Promise<void>;
}

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (trouble: Error) => void;
}

interface Thread {
  say(message: ToThread, handedOver?: readonly ArrayBuffer[]): void;
  readonly waiting: Map<number, Waiter>;
  readonly ended: Promise<void>;
  ref(): void;
  unref(): void;
}

export function openContentsApart(data: ContentThreadData, log: (line: string) => void): ContentsApart {
  let thread: Thread | undefined;
  let closed = false;
  let nextId = 1;

  const begin = (): Thread => {
    const begun = startThread(data, log, () => {
      if (thread === begun) thread = undefined;
    });
    return begun;
  };
  const ask = async <T>(errand: Errand, signal?: AbortSignal, handedOver?: readonly ArrayBuffer[]): Promise<T> => {
    signal?.throwIfAborted();
    if (closed) throw new StoreUnavailableError("the store is closed");
    const at = (thread ??= begin());
    const id = nextId++;
    const callOff = (): void => at.say({ id, errand: "call off" });
    signal?.addEventListener("abort", callOff, { once: true });
    at.ref();
    try {
      return await new Promise<T>((resolve, reject) => {
        at.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
        at.say({ id, errand }, handedOver);
      });
    } catch (error) {
      throw signal?.aborted === true ? reasonOf(signal) : error;
    } finally {
      at.waiting.delete(id);
      signal?.removeEventListener("abort", callOff);
      if (at.waiting.size === 0) at.unref();
    }
  };
  return {
    put: async (at, data, signal) => {
      const bytes = hasItsOwnMemory(data) ? data : new Uint8Array(data);
      return ask({ kind: "put", at, data: bytes }, signal, [bytes.buffer]);
    },
    get: async (at, signal) => ask({ kind: "get", at }, signal),
    digest: async (upload, signal) => ask({ kind: "digest", upload }, signal),
    forget: (uploadId) => {
      thread?.say({ forget: uploadId });
    },
    close: async () => {
      closed = true;
      const last = thread;
      if (last === undefined) return;
      last.ref();
      last.say({ end: true });
      await last.ended;
    },
  };
}

/** Less is copied: small buffers share their memory with others. */
const WORTH_BYTES = 32_768;
/** What a message has besides its bytes. */
const WRAPPING_BYTES = 1_024;

/** Whether nothing else is in the memory of these bytes than the message that brought them: measured, copies and their collection cost more than all else. */
function hasItsOwnMemory(data: Uint8Array): data is Uint8Array<ArrayBuffer> {
  return (
    data.buffer instanceof ArrayBuffer &&
    data.length >= WORTH_BYTES &&
    data.buffer.byteLength <= data.length + WRAPPING_BYTES
  );
}

function startThread(data: ContentThreadData, log: (line: string) => void, gone: () => void): Thread {
  const worker = new Worker(new URL(import.meta.url.replace(/contents-apart(?=\.[jt]s$)/, "content-worker")), {
    workerData: data,
  });
  worker.unref();
  const waiting = new Map<number, Waiter>();
  worker.on("message", (message: FromThread) => {
    if ("line" in message) log(message.line);
    else if ("trouble" in message) waiting.get(message.id)?.reject(errorOf(message.trouble));
    else waiting.get(message.id)?.resolve(message.value);
  });
  worker.on("error", (error) => log(`the thread of contents broke: ${error instanceof Error ? error.message : "?"}`));
  const ended = new Promise<void>((resolve) => {
    worker.once("exit", () => {
      gone();
      // What it had in hand may have been done; all of it can be asked for again.
      for (const { reject } of waiting.values()) reject(new StoreUnavailableError("the thread of contents ended"));
      resolve();
    });
  });
  return {
    say: (message, handedOver = []) => worker.postMessage(message, handedOver),
    waiting,
    ended,
    ref: () => worker.ref(),
    unref: () => worker.unref(),
  };
}
