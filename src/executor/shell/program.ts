// Which program a command comes down to, and in which words its failure to start is told. Not here: starting it.
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { CommandSpec } from "./spec.ts";

export function programOf({ run, shell }: CommandSpec): {
  program: string;
  args: readonly string[];
  verbatim: boolean;
} {
  if (typeof run !== "string") return { program: run[0] ?? "", args: run.slice(1), verbatim: false };
  const program = shell ?? (process.platform === "win32" ? (process.env["ComSpec"] ?? "cmd.exe") : "/bin/sh");
  const name = basename(program)
    .toLowerCase()
    .replace(/\.exe$/, "");
  // cmd takes the rest of its line as it is, between one pair of quotes.
  if (name === "cmd") return { program, args: ["/d", "/s", "/c", `"${run}"`], verbatim: true };
  if (name === "pwsh" || name === "powershell")
    return { program, args: ["-NoProfile", "-Command", run], verbatim: false };
  return { program, args: ["-c", run], verbatim: false };
}

/** A missing folder and a missing program have the same code, so the folder is looked at first. */
export async function folderProblem(cwd: string | undefined): Promise<string | undefined> {
  if (cwd === undefined) return undefined;
  try {
    return (await stat(cwd)).isDirectory() ? undefined : `ENOTDIR: cwd is not a folder: ${cwd}`;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    return code === "ENOENT" ? `ENOENT: cwd does not exist: ${cwd}` : `${code}: cwd cannot be entered: ${cwd}`;
  }
}

export function spawnProblem(program: string, error: NodeJS.ErrnoException): string {
  const code = error.code ?? error.name;
  if (code === "ENOENT") return `ENOENT: program not found: ${program}`;
  if (code === "EACCES") return `EACCES: not allowed to run it, or to enter cwd: ${program}`;
  if (code === "E2BIG") return "E2BIG: arguments and environment are too large for this system";
  return `${code}: ${error.message}`;
}
