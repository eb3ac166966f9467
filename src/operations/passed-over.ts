// How many things a change of many passed over, by the reason that each would have been refused with. Not here: the changes.
import type { Refusal, RefusalReason } from "../domain/refusal.ts";

export interface PassedOver {
  readonly reason: RefusalReason;
  /** The state that kept them from it; empty when it was something else. */
  readonly state: string;
  readonly count: number;
  /** At most 3. */
  readonly examples: readonly string[];
  /** Why, for the first of them. */
  readonly explanation: string;
}

const EXAMPLES = 3;

export class PassedOverCount {
  readonly #found = new Map<string, PassedOver>();

  add(refusal: Pick<Refusal, "reason" | "explanation" | "metadata">, examples: readonly string[], count = 1): void {
    const { reason, explanation, metadata } = refusal;
    const state = metadata["state"] ?? "";
    const key = `${reason} ${state}`;
    const before = this.#found.get(key) ?? { reason, state, count: 0, examples: [], explanation };
    this.#found.set(key, {
      ...before,
      count: before.count + count,
      examples: [...before.examples, ...examples].slice(0, EXAMPLES),
    });
  }

  /** Most frequent first. */
  list(): readonly PassedOver[] {
    return [...this.#found.values()].sort((a, b) => b.count - a.count || (a.state < b.state ? -1 : 1));
  }
}
