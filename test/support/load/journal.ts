// The client's own log: one JSON object a line, in the file before the next thing happens, so that a kill loses no line that
// matters. The checker judges by it. Not here: judging.
import { closeSync, openSync, readFileSync, readdirSync, writeSync } from "node:fs";
import { join } from "node:path";

/** `k` says what happened: a = assignment received, o = outcome sent, k = receipt, n = refusal, h = lease resumed, l = lease lost, s = plan committed. */
export interface Entry {
  readonly k: "a" | "o" | "k" | "n" | "h" | "l" | "s";
  /** Epoch milliseconds of the client. */
  readonly t: number;
  /** The plan's id as the wire has it. */
  readonly p: string;
  readonly o?: number;
  readonly f?: number;
  /** Executor's name. */
  readonly x?: string;
  /** Record of the outcome, or reason of the refusal. */
  readonly r?: string;
  readonly dup?: boolean;
}

export interface Journal {
  write(entries: readonly Entry[]): void;
  close(): void;
}

export function openJournal(file: string | undefined): Journal | undefined {
  if (file === undefined) return undefined;
  const fd = openSync(file, "a");
  return {
    write: (entries) => {
      if (entries.length > 0) writeSync(fd, `${entries.map((entry) => JSON.stringify(entry)).join("\n")}\n`);
    },
    close: () => {
      closeSync(fd);
    },
  };
}

/** All entries of a folder's journals. */
export function readJournals(folder: string): Entry[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".ndjson"));
  return names.flatMap((name) => readJournal(join(folder, name)));
}

/** The entries of one; a line that a kill cut off is passed over. */
export function readJournal(file: string): Entry[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line.endsWith("}")).map((line) => JSON.parse(line) as Entry);
}
