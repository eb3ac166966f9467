// Waiting until something may have changed: a signal that is remembered until it is waited for, or a time that has passed.

export interface Stirred {
  /** Something may have changed. */
  stir(): void;
  /** Resolves after a stir, when the time has passed, or when a signal fires. */
  wait(timeoutMs: number): Promise<void>;
  /** Lets go of the signals, which may outlive the stream by far. */
  end(): void;
}

export function createStirred(...signals: readonly AbortSignal[]): Stirred {
  let pending = false;
  let wake: (() => void) | undefined;
  const stir = (): void => {
    pending = true;
    wake?.();
  };
  for (const signal of signals) signal.addEventListener("abort", stir);
  return {
    stir,
    end: () => {
      for (const signal of signals) signal.removeEventListener("abort", stir);
    },
    async wait(timeoutMs) {
      if (!pending && !signals.some((signal) => signal.aborted)) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, timeoutMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = undefined;
      }
      pending = false;
    },
  };
}
