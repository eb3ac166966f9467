// Standard output, and what becomes of a command that cannot write there. Not here: the files that commands write by themselves.
import { fstatSync, fsyncSync, writeSync } from "node:fs";
import { CLOSED_PIPE, FAILED } from "./io.ts";

const STDOUT = 1;

/** A stream of Node's takes what a file has no room for as written, if only the first byte of it was. */
const toFile = isFile();

function isFile(): boolean {
  try {
    const stat = fstatSync(STDOUT);
    return stat.isFile() || (stat.isCharacterDevice() && !process.stdout.isTTY);
  } catch {
    return false;
  }
}

/** Whether there is room for more at once, and, of a file, all of it is written; throws when it cannot be. */
export function writeOut(data: string | Uint8Array): boolean {
  if (!toFile) return process.stdout.write(data);
  const bytes = typeof data === "string" ? Buffer.from(data) : data;
  for (let at = 0; at < bytes.length;) at += writeSync(STDOUT, bytes, at);
  return true;
}

/** Some disks say only now that they were full. */
export function flushOut(): void {
  if (toFile && fstatSync(STDOUT).isFile()) fsyncSync(STDOUT);
}

/** The exit code of a command that could not say what it had to, and words for people; none for a reader that went away. */
export function endOfLost(error: unknown): { readonly exitCode: number; readonly message: string } {
  if (error instanceof Error && "code" in error && error.code === "EPIPE")
    return { exitCode: CLOSED_PIPE, message: "" };
  const why = error instanceof Error ? error.message : String(error);
  return { exitCode: FAILED, message: `what was asked for cannot be written to standard output: ${why}` };
}
