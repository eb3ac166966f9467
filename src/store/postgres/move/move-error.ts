// Why an installation could not be moved, in words for people. Not here: trouble of the database itself, see trouble.ts beside it.

/** Stable words, for tests and for `--json`. */
export type MoveErrorReason =
  | "not-an-export"
  | "other-format"
  | "damaged"
  | "other-schema"
  | "in-use"
  | "not-empty"
  | "not-owner"
  | "no-installation"
  | "worn-out"
  | "refused-rows"
  | "differs";

/** Nothing was changed, or all of it was taken back. `message` says what to do. */
export class MoveError extends Error {
  override readonly name = "MoveError";
  readonly reason: MoveErrorReason;
  constructor(reason: MoveErrorReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.reason = reason;
  }
}
