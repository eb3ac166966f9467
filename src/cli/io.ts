// What a command gets from its process: where to write, what the environment says, when to end. Not here: who provides it.

export interface CliIo {
  /** Results. */
  readonly out: (text: string) => void;
  /** Everything that is said on the way. */
  readonly err: (text: string) => void;
  /** Whether results go to a terminal that can be redrawn. */
  readonly terminal: boolean;
  readonly columns: number;
  /** That of the process itself; what a command deletes of it is gone for all that runs later. */
  readonly env: Record<string, string | undefined>;
  /** Fires when the user wants the command to end. */
  readonly signal: AbortSignal;
}

/** What programs are told of an end besides its words. */
export interface EndDetails {
  /** Such as `NOT_FOUND`; else that of the exit code. */
  readonly reason?: string;
  /** Everything that is wrong with a file. */
  readonly mistakes?: readonly object[];
}

/** Ends a command with that exit code; the message, if any, was meant for people. */
export class CommandEnd extends Error {
  override readonly name = "CommandEnd";
  readonly exitCode: number;
  readonly details: EndDetails;
  constructor(exitCode: number, message = "", details: EndDetails = {}) {
    super(message);
    this.exitCode = exitCode;
    this.details = details;
  }
}

export const FAILED = 1;
export const MISUSED = 2;
export const UNREACHABLE = 3;
export const GATE_CLOSED = 4;
/** As shells say it of a command that was ended by an interrupt, and of one whose reader went away. */
export const INTERRUPTED = 130;
export const CLOSED_PIPE = 141;

/** Every exit code, and when it is: for help, and for the README. */
export const EXIT_CODES = [
  [0, "done"],
  [FAILED, "failed, or refused by the server"],
  [MISUSED, "a wrong command or file"],
  [UNREACHABLE, "no server answers, or not within --timeout"],
  [GATE_CLOSED, "the release gate does not let the run pass"],
  [INTERRUPTED, "interrupted"],
  [CLOSED_PIPE, "whoever read the output stopped reading"],
] as const;
