// The clock port, and the only place that reads the system's clock. Not here: timers, which are the event loop's.

/** Where code that must know the time gets it from. */
export interface Clock {
  /** Wall-clock time, milliseconds since the Unix epoch. */
  nowMs(): number;
  /** A time that never goes back, in milliseconds from an arbitrary origin. */
  monotonicMs(): number;
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
