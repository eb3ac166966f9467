// The randomness port, and the only place that draws random numbers. Not here: ids, see typeid.ts.
import { randomFillSync } from "node:crypto";

/** Where code that needs chance gets it from. */
export interface Random {
  /** `count` unpredictable bytes. The result may be a view that stays valid; it is never handed out twice. */
  bytes(count: number): Uint8Array;
  /** A number from 0 (included) to 1 (excluded), for jitter. */
  fraction(): number;
}

const POOL_BYTES = 16_384;

/** Bytes from the system's generator, drawn in bulk: a draw for every id and salt would cost a system call each. */
export function systemRandom(): Random {
  let pool = new Uint8Array(0);
  let used = 0;
  const bytes = (count: number): Uint8Array => {
    if (count > POOL_BYTES) return randomFillSync(new Uint8Array(count));
    if (used + count > pool.length) {
      pool = randomFillSync(new Uint8Array(POOL_BYTES));
      used = 0;
    }
    used += count;
    return pool.subarray(used - count, used);
  };
  return {
    bytes,
    fraction: () => {
      const [a = 0, b = 0, c = 0, d = 0] = bytes(4);
      return ((a << 24) | (b << 16) | (c << 8) | d) / 4_294_967_296 + 0.5;
    },
  };
}
