// Files that cannot be read, in words for people. Not here: what is wrong with what is in them.
import { CommandEnd, MISUSED } from "./io.ts";
import { harmless } from "./table.ts";

const WHY: Readonly<Record<string, string>> = {
  ENOENT: "there is none",
  EISDIR: "it is a folder",
  EACCES: "it may not be read by you",
  EPERM: "it may not be read by you",
  EIO: "the system cannot read it; it may be no ordinary file",
};

export function unreadable(path: string, error: unknown): CommandEnd {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const why = WHY[code] ?? (error instanceof Error ? error.message : String(error));
  return new CommandEnd(MISUSED, harmless(`${path} cannot be read: ${why}`));
}
