// The clock port, and the only place that reads the system's clock. Not here: timers that wait for a span rather than for a
// moment; those are the event loop's.

/** Where code that must know the time gets it from. */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. */
  nowMs(): number;
  /** A time that never goes back, in milliseconds from an arbitrary origin. */
  monotonicMs(): number;
  /**
   * Calls once `nowMs()` has reached that moment, unless it is called off before by what this returns. A clock that is moved by
   * hand has it; for any other one the event loop's timers do.
   */
  readonly alarm?: (atMs: number, ring: () => void) => () => void;
}

/** The event loop's timers hold at most 2^31 − 1 ms; a step may have a year. */
const LONGEST_TIMER_MS = 2_000_000_000;

/** Calls once that clock has reached that moment, never while this call runs; the result calls it off. Keeps no process alive. */
export function alarmAt(clock: Clock, atMs: number, ring: () => void): () => void {
  if (clock.alarm !== undefined) return clock.alarm(atMs, ring);
  let timer: NodeJS.Timeout;
  const wait = (): void => {
    const leftMs = Math.max(0, atMs - clock.nowMs());
    timer = setTimeout(leftMs > LONGEST_TIMER_MS ? wait : ring, Math.min(leftMs, LONGEST_TIMER_MS)).unref();
  };
  wait();
  return () => clearTimeout(timer);
}

/** The system's clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

/** RFC 3339 text of an instant, in UTC with milliseconds. */
export function isoTime(epochMs: number): string {
  return new Date(epochMs).toISOString();
}
