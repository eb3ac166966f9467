// Waiting until something may have changed: a signal that is remembered until it is waited for, or a time that has passed.

export interface Stirred {
  /** Something may have changed. */
  stir(): void;
  /** Resolves after a stir, when the time has passed, or when the signal fires. */
  wait(timeoutMs: number): Promise<void>;
}

export function createStirred(signal: AbortSignal): Stirred {
  let pending = false;
  let wake: (() => void) | undefined;
  const stir = (): void => {
    pending = true;
    wake?.();
  };
  signal.addEventListener("abort", stir, { once: true });
  return {
    stir,
    async wait(timeoutMs) {
      if (!pending && !signal.aborted) {
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
