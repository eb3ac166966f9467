// One waiting DispatchNext call as a taker. Not here: idempotency keys, which are the engine's.
import type { Executor } from "../domain/executor.ts";
import type { Timers } from "../support/timers.ts";
import type { Assignment } from "../domain/outcome.ts";
import type { NextCall } from "./dispatcher.ts";
import { Taker } from "./takers.ts";

export class PullCall {
  readonly taker: Taker;
  readonly #waitMs: number;
  readonly #timers: Pick<Timers, "after">;
  readonly #leave: () => void;
  readonly #given: Assignment[] = [];
  #open = true;
  #isDoubtful = false;
  #resolve: (assignments: readonly Assignment[]) => void = () => undefined;

  /** `leave` takes the taker out of the set. */
  constructor(executor: Executor, call: NextCall, timers: Pick<Timers, "after">, leave: () => void) {
    this.#timers = timers;
    this.#waitMs = call.waitMs;
    this.#leave = leave;
    this.taker = new Taker(executor, {
      capacity: () => (this.#open ? call.max : 0),
      leaseMs: call.leaseMs,
      capabilities: call.capabilities,
      deliver: (assignments) => {
        this.#given.push(...assignments);
        this.#settle();
      },
    });
    this.taker.keyIsDoubtful = () => {
      this.#isDoubtful = true;
      this.close();
    };
  }

  /** It was given nothing, and its key may have been answered elsewhere. */
  get isDoubtful(): boolean {
    return this.#isDoubtful && this.#given.length === 0;
  }

  /** Takes no more than what is on its way. */
  close(): void {
    this.#open = false;
    this.#settle();
  }

  /** The first steps that it is given, in one batch; none when the time is over. */
  async wait(signal: AbortSignal): Promise<readonly Assignment[]> {
    return await new Promise((resolve) => {
      this.#resolve = resolve;
      if (this.#given.length > 0) {
        this.#settle();
        return;
      }
      const over = (): void => {
        // A batch under way may still give it steps: it closes for new ones and waits for those.
        this.#open = false;
        this.#settle();
      };
      const timer = this.#timers.after(Math.max(this.#waitMs, 25), over);
      signal.addEventListener("abort", over, { once: true });
      const finish = this.#resolve;
      this.#resolve = (assignments) => {
        timer.cancel();
        signal.removeEventListener("abort", over);
        finish(assignments);
      };
      if (signal.aborted) over();
    });
  }

  #settle(): void {
    if (this.#given.length === 0 && this.#open) return;
    this.#open = false;
    if (this.taker.reserved > 0) {
      // Claims of a batch under way: their delivery, or their failure, comes within its commit.
      this.#timers.after(2, () => {
        this.#settle();
      });
      return;
    }
    this.#leave();
    this.#resolve(this.#given);
  }
}
