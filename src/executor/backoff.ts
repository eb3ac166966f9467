// How long to wait before the next attempt to reach a server.
import type { Random } from "../support/random.ts";

const FIRST_MS = 100;
/** A server that comes back after an outage gives its executors 6 s to list what they hold before it sweeps (SETTLE_MS in dispatch). */
const LONGEST_MS = 2_000;

/**
 * Exponential backoff with jitter: 100 ms, doubled each time up to 2 s, of which half is drawn at random, so that a fleet
 * does not come back in step. The first is short because leases outlive their stream by a short grace only.
 */
export class Backoff {
  readonly #random: Random;
  #failures = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  nextMs(): number {
    const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 20);
    return full / 2 + (full / 2) * this.#random.fraction();
  }

  reset(): void {
    this.#failures = 0;
  }
}
