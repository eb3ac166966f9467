// Turns: so many at once, so many that wait, and whoever comes beyond is told so. Not here: what is done in a turn.

export interface Turns {
  /** Gives the turn's end; undefined when too many wait already. Throws the abort's reason. */
  take(signal: AbortSignal): Promise<(() => void) | undefined>;
}

export function createTurns(atOnce: number, mayWait: number): Turns {
  let taken = 0;
  const waiting = new Set<() => void>();
  const end = (): void => {
    const [next] = waiting;
    if (next === undefined) taken--;
    else next();
  };
  const once = (): (() => void) => {
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      end();
    };
  };
  return {
    take: async (signal) => {
      signal.throwIfAborted();
      if (taken < atOnce) {
        taken++;
        return once();
      }
      if (waiting.size >= mayWait) return undefined;
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => {
          waiting.delete(mine);
          reject(signal.reason as Error);
        };
        // The turn of whoever ended goes over as it is.
        const mine = (): void => {
          waiting.delete(mine);
          signal.removeEventListener("abort", onAbort);
          resolve();
        };
        waiting.add(mine);
        signal.addEventListener("abort", onAbort, { once: true });
      });
      return once();
    },
  };
}
