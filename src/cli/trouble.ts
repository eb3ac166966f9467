// What went wrong, in one shape: words for people, an object for programs, and the exit code. Not here: what servers refuse and
// calls throw, see refusal.ts.
import type { JsonValue } from "@bufbuild/protobuf";
import { CLOSED_PIPE, FAILED, GATE_CLOSED, INTERRUPTED, MISUSED, UNREACHABLE } from "./io.ts";
import type { CommandEnd } from "./io.ts";

export interface Trouble {
  /** A reason of the contract, such as `NOT_FOUND`, or a word of its kind. */
  readonly reason: string;
  readonly exitCode: number;
  readonly message: string;
  /** As the contract has it, when a server refused. */
  readonly refusal?: JsonValue;
  /** Everything that is wrong with a file. */
  readonly mistakes?: readonly object[];
}

/** The object that `--json` makes of it, as one line. */
export function troubleLine({ exitCode, reason, message, ...more }: Trouble): string {
  return `${JSON.stringify({ error: { reason, message, exit_code: exitCode, ...more } })}\n`;
}

export function troubleOfEnd({ exitCode, message, details }: CommandEnd): Trouble {
  const told = message.replace(/^maestro: /, "");
  return { reason: REASONS[exitCode] ?? "FAILED", exitCode, message: told, ...details };
}

const REASONS: Readonly<Record<number, string>> = {
  [FAILED]: "FAILED",
  [MISUSED]: "MISUSED",
  [UNREACHABLE]: "UNREACHABLE",
  [GATE_CLOSED]: "GATE_CLOSED",
  [INTERRUPTED]: "INTERRUPTED",
  [CLOSED_PIPE]: "CLOSED_PIPE",
};
