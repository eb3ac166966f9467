// What a handler throws to say how its attempt ended, and why its signal fired. Not here: how that reaches the wire, see result.ts.

/** Facts about a failure for those who look into it: a JSON object, kept up to 64 KiB. */
export type FailureDetails = Readonly<Record<string, unknown>>;

/** A failure that may pass when tried again, with details. Any other error that a handler throws counts as one, too. */
export class TransientError extends Error {
  override readonly name: string = "TransientError";
  readonly details: FailureDetails;
  constructor(message: string, details: FailureDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.details = details;
  }
}

/** A failure that will not pass when tried again: the step is not retried. */
export class PermanentError extends Error {
  override readonly name: string = "PermanentError";
  readonly details: FailureDetails;
  constructor(message: string, details: FailureDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.details = details;
  }
}

/** The executor says no: not a failure, no retry is burnt, the step ends REFUSED. */
export class Refuse extends Error {
  override readonly name: string = "Refuse";
  /** Name of the rule that decided; may be empty. */
  readonly rule: string;
  constructor(explanation: string, rule = "") {
    super(explanation);
    this.rule = rule;
  }
}

/**
 * Why the signal of an attempt fired:
 * `stopped` — the server wants it stopped, and an outcome of it; `lost` — the lease is gone, nobody waits for an outcome;
 * `deadline` — its time is up; `shutdown` — this executor was told to end at once.
 */
export type InterruptionCause = "stopped" | "lost" | "deadline" | "shutdown";

/** Reason of `context.signal`. A handler may throw it on; the library knows which outcome follows. */
export class Interruption extends Error {
  override readonly name: string = "Interruption";
  override readonly cause: InterruptionCause;
  constructor(cause: InterruptionCause, message: string) {
    super(message);
    this.cause = cause;
  }
}

/** The server will not have this executor: a wrong key, a missing grant, a malformed hello. Trying again cannot help. */
export class RefusedByServer extends Error {
  override readonly name: string = "RefusedByServer";
  /** Reason of the refusal, such as `CAPABILITY_MISSING`, or the gRPC code when the server gave none. */
  readonly reason: string;
  readonly remedy: string;
  constructor(reason: string, explanation: string, remedy = "") {
    super(`${reason}: ${explanation}`);
    this.reason = reason;
    this.remedy = remedy;
  }
}
