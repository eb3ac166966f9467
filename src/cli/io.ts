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

/** Ends a command with that exit code; the message, if any, was meant for people. */
export class CommandEnd extends Error {
  override readonly name = "CommandEnd";
  readonly exitCode: number;
  constructor(exitCode: number, message = "") {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Exit codes: the work failed or was refused; the command or its file is wrong. */
export const FAILED = 1;
export const MISUSED = 2;
/** As shells say it of a command that was ended by an interrupt. */
export const INTERRUPTED = 130;
