// `maestro validate`: judges a plan file without a server.
import { closeSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { counted } from "../../support/counted.ts";
import { checkPlanFile } from "../plan-file/check.ts";
import { describeMistakes } from "../plan-file/mistakes.ts";
import type { Mistake } from "../plan-file/mistakes.ts";
import { MOST_BYTES, TOO_LARGE } from "../plan-file/read.ts";
import type { Requests } from "../plan-file/requests.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import type { Context } from "../context.ts";
import { harmless } from "../table.ts";

export function validate(file: string, context: Context): void {
  const { io, json, quiet } = context;
  const { requests, edgeCount, warnings } = readRequests(file);
  warn(file, warnings, context);
  if (json) io.out(`${JSON.stringify({ ok: true, steps: requests.steps.length, edges: edgeCount })}\n`);
  else if (!quiet) {
    const { goal, charterName, steps } = requests;
    io.out(
      `${harmless(`${file}: goal ${goal.name} under charter ${charterName}, ${counted(steps.length, "step")}, ${counted(edgeCount, "edge")}: fine`)}\n`,
    );
  }
}

/** The file's requests; a file that cannot be read, or is wrong, ends the command with every mistake. `-` reads standard input. */
export function readRequests(file: string): {
  readonly requests: Requests;
  readonly edgeCount: number;
  readonly warnings: readonly Mistake[];
} {
  const checked = checkPlanFile(sourceOf(file), (named) =>
    readBounded(file === "-" ? named : resolve(dirname(file), named)),
  );
  if (!checked.ok) throw invalidFile(file, checked.mistakes);
  return checked;
}

/** The text of a file; `-` is standard input. One that cannot be read ends the command. */
export function sourceOf(file: string): string {
  try {
    return readBounded(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandEnd(MISUSED, harmless(`${file} cannot be read: ${why}`));
  }
}

export function invalidFile(file: string, mistakes: readonly Mistake[]): CommandEnd {
  const summary = harmless(`${counted(mistakes.length, "mistake")} in ${file}`);
  return new CommandEnd(MISUSED, `${describeMistakes(file, mistakes)}\n${summary}`, {
    reason: "INVALID_FILE",
    mistakes,
  });
}

/** Told on the way, and no reason to stop. */
export function warn(file: string, warnings: readonly Mistake[], { quiet, notice }: Context): void {
  if (quiet || warnings.length === 0) return;
  const told = warnings.map((warning) => ({ ...warning, message: `warning: ${warning.message}` }));
  notice(describeMistakes(file, told), { warnings });
}

/** Devices and pipes may never end. */
function readBounded(file: string): string {
  const fd = file === "-" ? 0 : openSync(file, "r");
  try {
    const chunks: Buffer[] = [];
    for (let size = 0; ;) {
      const chunk = Buffer.alloc(65_536);
      const read = readSync(fd, chunk);
      if (read === 0) return Buffer.concat(chunks).toString("utf8");
      chunks.push(chunk.subarray(0, read));
      size += read;
      if (size > MOST_BYTES) throw new Error(`it ${TOO_LARGE}`);
    }
  } finally {
    if (fd !== 0) closeSync(fd);
  }
}
