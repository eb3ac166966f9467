// What is set aside because it cannot be carried out, a bug: it would come back with each scan and fail its batch each time.
// Memory only, bounded. Not here: finding it, which is the batcher's bisecting.
import type { PlanId } from "../domain/id.ts";
import type { Clock } from "../support/clock.ts";
import { ordinalOf } from "./items.ts";
import type { Item } from "./items.ts";

const FIRST_MS = 5_000;
const LONGEST_MS = 3_600_000;
/** Beyond this the one set aside longest ago is forgotten, and tried again. */
const LIMIT = 10_000;

interface Entry {
  readonly untilMs: number;
  readonly times: number;
}

export class SetAside {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** Sets an item aside, each time for twice as long; says for how long. */
  add(item: Item): number {
    const key = keyOf(item.kind, item.planId, ordinalOf(item));
    const times = (this.#entries.get(key)?.times ?? 0) + 1;
    const forMs = Math.min(FIRST_MS * 2 ** (times - 1), LONGEST_MS);
    this.#entries.delete(key);
    this.#entries.set(key, { untilMs: this.#clock.monotonicMs() + forMs, times });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > LIMIT && oldest !== undefined) this.#entries.delete(oldest);
    return forMs;
  }

  has(kind: Item["kind"], planId: PlanId, ordinal: number): boolean {
    if (this.#entries.size === 0) return false;
    const entry = this.#entries.get(keyOf(kind, planId, ordinal));
    return entry !== undefined && this.#clock.monotonicMs() < entry.untilMs;
  }

  holds(item: Item): boolean {
    return this.has(item.kind, item.planId, ordinalOf(item));
  }
}

function keyOf(kind: Item["kind"], planId: PlanId, ordinal: number): string {
  return `${kind}/${planId}/${String(ordinal)}`;
}
