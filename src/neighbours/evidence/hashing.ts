// Digests of content of any size: what is small here and now, what is large in a thread, piece by piece, so that it neither fills memory
// nor holds up the event loop. Not here: what is made of them.
import { createHash } from "node:crypto";
import type { Digests } from "../../domain/release/evidence.ts";
import { workerPool } from "../../support/worker-pool.ts";
import { AT_ONCE, RUNS_AT_ONCE } from "./limits.ts";
import type { Late } from "./late.ts";
import { NoTimeError } from "./run-time.ts";
import type { RunTime } from "./run-time.ts";

export interface HashOrder {
  readonly stream: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
  readonly algorithms: readonly string[];
  readonly piece: Uint8Array;
}

export interface Digested {
  readonly sizeBytes: number;
  readonly digests: Digests;
}

export interface Hashing {
  /** What is waited for the thread does not count as `late`. Throws what the pieces throw, and NoTimeError. */
  digested(
    pieces: AsyncIterable<Uint8Array>,
    algorithms: readonly string[],
    late: Late,
    time: RunTime,
  ): Promise<Digested>;
  close(): Promise<void>;
}

/** A tenth of a millisecond of hashing. */
const SMALL_BYTES = 65_536;
const PIECE_BYTES = 1_048_576;

export function createHashing(): Hashing {
  const pool = workerPool(new URL(import.meta.url.replace(/hashing(?=\.[jt]s$)/, "hash-worker")), {
    // One, for it is the thread that knows a stream's beginning.
    size: 1,
    queueLimit: AT_ONCE * RUNS_AT_ONCE.all,
  });
  let streams = 0;
  return {
    digested: async (pieces, algorithms, late, time) => {
      const stream = ++streams;
      let sizeBytes = 0;
      let isFirst = true;
      const send = async (piece: Uint8Array<ArrayBuffer>, isLast: boolean): Promise<Digests | null> => {
        const order: HashOrder = { stream, isFirst, isLast, algorithms, piece };
        isFirst = false;
        late.hold();
        try {
          return await time.inThread<Digests | null>(pool, "hash", order, late.signal, [piece.buffer]);
        } catch (trouble) {
          if (late.signal.aborted) throw trouble;
          throw new NoTimeError("no thread takes digests", { cause: trouble });
        } finally {
          late.goOn();
        }
      };
      let list: Uint8Array[] = [];
      let held = 0;
      for await (const piece of pieces) {
        list.push(piece);
        held += piece.length;
        sizeBytes += piece.length;
        if (held < PIECE_BYTES) continue;
        const full = concatenated(list, held);
        list = [];
        held = 0;
        await send(full, false);
      }
      const rest = concatenated(list, held);
      if (sizeBytes === held && held <= SMALL_BYTES) {
        const digests = algorithms.map((name) => [name, createHash(name).update(rest).digest("hex")]);
        return { sizeBytes, digests: Object.fromEntries(digests) as Digests };
      }
      return { sizeBytes, digests: (await send(rest, true)) ?? {} };
    },
    close: () => pool.close(),
  };
}

/** Memory of its own: it is handed over. */
export function concatenated(list: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of list) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
