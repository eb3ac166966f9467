// Idempotency keys of calls whose effects are in batches: looked up many at a time, repeats here wait for the first.
// Not here: keys of operations, which are the engine's.
import type { OrgId } from "../domain/id.ts";
import type { EarlierCall, IdempotentCall } from "../store/ports/idempotency.ts";
import type { Store } from "../store/ports/store.ts";
import type { Clock } from "../support/clock.ts";
import type { Timers } from "../support/timers.ts";

/** How long an answer is kept for repeats of its call, of operations too. */
export const KEY_LIFETIME_MS = 86_400_000;

interface Question {
  readonly call: IdempotentCall;
  readonly resolve: (earlier: EarlierCall) => void;
  readonly reject: (error: unknown) => void;
}

export class KeyBook {
  readonly #store: Store;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #timers: Pick<Timers, "soon">;
  readonly #running = new Map<string, Promise<unknown>>();
  #questions: Question[] = [];
  #asking = false;

  constructor(store: Store, clock: Pick<Clock, "nowMs">, timers: Pick<Timers, "soon">) {
    this.#store = store;
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Runs `work` with what became of earlier calls under the key; a repeat in this process waits for the one before it. */
  async with<T>(call: IdempotentCall, work: (earlier: EarlierCall) => Promise<T>): Promise<T> {
    const id = `${call.orgId}/${call.principal}/${call.key}`;
    for (let before = this.#running.get(id); before !== undefined; before = this.#running.get(id))
      await before.catch(() => undefined);
    const running = this.peek(call).then(work);
    this.#running.set(id, running);
    try {
      return await running;
    } finally {
      this.#running.delete(id);
    }
  }

  /** What became of earlier calls under the key. */
  async peek(call: IdempotentCall): Promise<EarlierCall> {
    return await new Promise((resolve, reject) => {
      this.#questions.push({ call, resolve, reject });
      if (this.#asking) return;
      this.#asking = true;
      // All calls that arrive in one turn of the event loop are asked for in one statement.
      this.#timers.soon(() => void this.#askAll());
    });
  }

  /** One look at a time, for all that came during the one before: together they cost little more than one of them. */
  async #askAll(): Promise<void> {
    while (this.#questions.length > 0) {
      const questions = this.#questions;
      this.#questions = [];
      await this.#ask(questions);
    }
    this.#asking = false;
  }

  async #ask(questions: readonly Question[]): Promise<void> {
    const orgs: readonly OrgId[] = [...new Set(questions.map((q) => q.call.orgId))];
    // A key's life is a matter of hours: the store's own clock would be a round trip of its own.
    const nowMs = this.#clock.nowMs();
    try {
      const answers = await this.#store.transaction(
        orgs,
        (tx) =>
          tx.idempotency.peek(
            questions.map((q) => q.call),
            nowMs,
          ),
        { readOnly: true },
      );
      for (const [i, question] of questions.entries()) question.resolve(answers[i] ?? { kind: "new" });
    } catch (error) {
      for (const question of questions) question.reject(error);
    }
  }
}
