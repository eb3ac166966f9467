// A signal that fires with another one, or when so much time has passed. Not here: what is called off.

export interface Late {
  readonly signal: AbortSignal;
  /** Whether it was time that fired it. */
  isLate(): boolean;
  /** Nothing is waited for any more. */
  end(): void;
}

/** A timer of its own: those of composed signals may be collected before they fire. */
export function lateAfter(ms: number, outer: AbortSignal): Late {
  const inner = new AbortController();
  let late = false;
  const onAbort = (): void => inner.abort(outer.reason);
  const timer = setTimeout(() => {
    late = true;
    inner.abort(new Error("it takes too long"));
  }, ms);
  if (outer.aborted) onAbort();
  else outer.addEventListener("abort", onAbort, { once: true });
  return {
    signal: inner.signal,
    isLate: () => late,
    end: () => {
      clearTimeout(timer);
      outer.removeEventListener("abort", onAbort);
    },
  };
}
