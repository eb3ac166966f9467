// What an examination found: one thing looked at, how it stands, what that means and what to do. Not here: what is examined.

export type FindingState = "ok" | "warn" | "fail";

export interface Finding {
  /** What was looked at, in dotted words that stay the same, such as `engine.lock`. */
  readonly check: string;
  readonly state: FindingState;
  /** How it is, in one sentence. */
  readonly found: string;
  /** What follows from that; empty when all is well. */
  readonly means: string;
  /** What to do about it; empty when there is nothing to do. */
  readonly remedy: string;
}

export function ok(check: string, found: string): Finding {
  return { check, state: "ok", found, means: "", remedy: "" };
}

export function warn(check: string, found: string, means: string, remedy: string): Finding {
  return { check, state: "warn", found, means, remedy };
}

export function fail(check: string, found: string, means: string, remedy: string): Finding {
  return { check, state: "fail", found, means, remedy };
}
