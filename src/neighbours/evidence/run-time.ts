// The time that reading one run takes: its own, and what it waits for threads that read others' evidence. Not here: what is read.
import type { Clock } from "../../support/clock.ts";
import type { WorkerPool } from "../../support/worker-pool.ts";
import { lateAfter } from "./late.ts";

/** The server has no time: that says nothing of evidence. */
export class NoTimeError extends Error {}

export interface RunTime {
  /** Fires when the run's own time is over, when it waited too long for others, and with the call. */
  readonly signal: AbortSignal;
  /** Whether the run's own time is over. */
  readonly isLate: () => boolean;
  /** Calls off whatever is under way. */
  readonly stop: (reason: unknown) => void;
  /** A task of a pool in the org's turn. What it waits for others is none of its own time. Throws NoTimeError when that is too long. */
  inThread<T>(
    pool: WorkerPool,
    task: string,
    input: unknown,
    signal: AbortSignal,
    handedOver: readonly ArrayBuffer[],
  ): Promise<T>;
  end(): void;
}

export function runTime(owner: string, ms: number, outer: AbortSignal, clock: Pick<Clock, "monotonicMs">): RunTime {
  const waited = lateAfter(ms, outer, clock);
  waited.hold();
  const own = lateAfter(ms, waited.signal, clock);
  let queued = 0;
  let running = 0;
  const weigh = (): void => {
    // While a thread works for it, or it fetches only, time is its own.
    if (queued > 0 && running === 0) {
      own.hold();
      waited.goOn();
    } else {
      waited.hold();
      own.goOn();
    }
  };
  return {
    signal: own.signal,
    isLate: own.isLate,
    stop: own.stop,
    inThread: async <T>(
      pool: WorkerPool,
      task: string,
      input: unknown,
      signal: AbortSignal,
      handedOver: readonly ArrayBuffer[],
    ): Promise<T> => {
      let left = (): number => queued--;
      queued++;
      weigh();
      const onTaken = (): void => {
        left();
        left = () => running--;
        running++;
        weigh();
      };
      try {
        return await pool.run<T>(task, input, signal, handedOver, { owner, onTaken });
      } catch (trouble) {
        if (waited.isLate() && !outer.aborted) throw new NoTimeError("no thread had time for it");
        throw trouble;
      } finally {
        left();
        weigh();
      }
    },
    end: () => {
      own.end();
      waited.end();
    },
  };
}
