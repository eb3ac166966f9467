// The timers port: what happens later, in this process. A port beside the clock, so that a simulation decides what "later"
// means. Not here: what time it is, see clock.ts.

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Once, after so many milliseconds. One that is `idle` does not keep the process alive. */
  after(ms: number, work: () => void, options?: { readonly idle?: boolean }): Timer;
  /** Again and again. */
  every(ms: number, work: () => void): Timer;
  /** In the next turn of the event loop: what comes in meanwhile can be met together. */
  soon(work: () => void): void;
}

/** The event loop's. */
export const systemTimers: Timers = {
  after: (ms, work, { idle = false } = {}) => {
    const timer = setTimeout(work, ms);
    if (idle) timer.unref();
    return {
      cancel: () => {
        clearTimeout(timer);
      },
    };
  },
  every: (ms, work) => {
    const timer = setInterval(work, ms);
    return {
      cancel: () => {
        clearInterval(timer);
      },
    };
  },
  soon: (work) => void setImmediate(work),
};

/** Waits so many milliseconds. */
export async function pause(timers: Timers, ms: number): Promise<void> {
  await new Promise<void>((resolve) => {
    timers.after(ms, resolve);
  });
}
