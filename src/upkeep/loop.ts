// A background loop: runs a piece of work again and again, never twice at once. Not here: the work.

export interface Loop {
  start(): void;
  /** Waits for a run that is under way. */
  stop(): Promise<void>;
  /** Runs now; joins a run that is under way. */
  runOnce(): Promise<void>;
}

/** `work` may throw: the next run finds what this one left. */
export function createLoop(everyMs: number, work: () => Promise<void>, onTrouble: (error: unknown) => void): Loop {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  const runOnce = (): Promise<void> => {
    running ??= work()
      .catch(onTrouble)
      .finally(() => {
        running = undefined;
      });
    return running;
  };
  return {
    start: () => void (timer ??= setInterval(() => void runOnce(), everyMs)),
    stop: async () => {
      clearInterval(timer);
      timer = undefined;
      await running;
    },
    runOnce,
  };
}
