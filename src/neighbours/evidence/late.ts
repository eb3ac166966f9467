// A signal that fires with another one, or when so much time has passed, of a clock that can be held. Not here: what is called off.
import type { Clock } from "../../support/clock.ts";

export interface Late {
  readonly signal: AbortSignal;
  /** Whether it was time that fired it. */
  readonly isLate: () => boolean;
  /** Time does not count until it goes on. */
  readonly hold: () => void;
  readonly goOn: () => void;
  /** Fires it. */
  readonly stop: (reason: unknown) => void;
  /** Nothing is waited for any more. */
  readonly end: () => void;
}

/** A timer of its own: those of composed signals may be collected before they fire. */
export function lateAfter(ms: number, outer: AbortSignal, clock: Pick<Clock, "monotonicMs">): Late {
  const inner = new AbortController();
  let late = false;
  let leftMs = ms;
  let sinceMs = 0;
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => inner.abort(outer.reason);
  const goOn = (): void => {
    if (timer !== undefined) return;
    sinceMs = clock.monotonicMs();
    timer = setTimeout(() => {
      late = true;
      inner.abort(new Error("it takes too long"));
    }, leftMs);
  };
  const hold = (): void => {
    if (timer === undefined) return;
    clearTimeout(timer);
    timer = undefined;
    leftMs = Math.max(0, leftMs - (clock.monotonicMs() - sinceMs));
  };
  goOn();
  if (outer.aborted) onAbort();
  else outer.addEventListener("abort", onAbort, { once: true });
  return {
    signal: inner.signal,
    isLate: () => late,
    hold,
    goOn,
    stop: (reason) => inner.abort(reason),
    end: () => {
      hold();
      outer.removeEventListener("abort", onAbort);
    },
  };
}
