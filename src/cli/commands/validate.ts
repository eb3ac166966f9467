// `maestro validate`: judges a plan file without a server.
import { readFileSync } from "node:fs";
import { checkPlanFile } from "../plan-file/check.ts";
import { describeMistakes } from "../plan-file/mistakes.ts";
import type { Requests } from "../plan-file/requests.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import type { Context } from "../context.ts";

export function validate(file: string, { io, json, quiet }: Context): void {
  const { requests, edgeCount } = readRequests(file);
  if (json) io.out(`${JSON.stringify({ ok: true, steps: requests.steps.length, edges: edgeCount })}\n`);
  else if (!quiet) {
    const { goal, charterName, steps } = requests;
    io.out(
      `${file}: goal ${goal.name} under charter ${charterName}, ${steps.length} steps, ${edgeCount} edges: fine\n`,
    );
  }
}

/** The file's requests; a file that cannot be read, or is wrong, ends the command with every mistake. `-` reads standard input. */
export function readRequests(file: string): { readonly requests: Requests; readonly edgeCount: number } {
  let source: string;
  try {
    source = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new CommandEnd(MISUSED, `${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const checked = checkPlanFile(source);
  if (!checked.ok) {
    const count = checked.mistakes.length;
    const summary = `${count} ${count === 1 ? "mistake" : "mistakes"} in ${file}`;
    throw new CommandEnd(MISUSED, `${describeMistakes(file, checked.mistakes)}\n${summary}`);
  }
  return checked;
}
