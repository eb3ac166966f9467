// Reads a file that a command may leave in its private folder. Not here: what it holds, see outputs-file.ts and artifacts-file.ts.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";

/** Its text, none when there is no file, or why it cannot be read: what follows "The … file". Never throws: the command chose what it put there. */
export type LeftFile =
  { readonly text: string; readonly problem?: never } | { readonly text?: never; readonly problem: string };

export async function readLeftFile(path: string, mostBytes: number): Promise<LeftFile> {
  let file: FileHandle;
  try {
    // A link could name any file of the host's, and a pipe would keep us waiting.
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { text: "" };
    return { problem: `cannot be read: ${code === "ELOOP" ? "it is a link" : (code ?? "")}` };
  }
  try {
    const facts = await file.stat();
    if (!facts.isFile()) return { problem: "is no regular file" };
    if (facts.size > mostBytes) return { problem: `has ${facts.size} bytes; at most ${mostBytes} are taken` };
    return { text: facts.size === 0 ? "" : await file.readFile("utf8") };
  } catch (error) {
    return { problem: `cannot be read: ${(error as NodeJS.ErrnoException).code ?? ""}` };
  } finally {
    await file.close();
  }
}
