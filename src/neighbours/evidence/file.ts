// Evidence in files of this machine, below configured folders and nowhere else. Not here: other places.
import { constants } from "node:fs";
import { lstat, open, realpath } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { FetchError } from "./port.ts";
import type { EvidenceSource } from "./port.ts";

const PIECE_BYTES = 262_144;
/** A pipe is not waited for, and no link is followed at the end of a path that has none. */
const HOW = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** With no folder it takes nothing. Paths that are relative are looked for below each folder in turn. */
export function files(folders: readonly string[]): EvidenceSource {
  return {
    takes: (uri) => folders.length > 0 && (/^file:/i.test(uri) || !/^[a-z][a-z0-9+.-]+:/i.test(uri)),
    fetch: async function* (_, uri, signal) {
      const file = await opened(folders, pathOf(uri));
      try {
        for (;;) {
          signal.throwIfAborted();
          const piece = new Uint8Array(PIECE_BYTES);
          const { bytesRead } = await file.read(piece);
          if (bytesRead === 0) return;
          yield piece.subarray(0, bytesRead);
        }
      } finally {
        await file.close();
      }
    },
  };
}

function pathOf(uri: string): string {
  if (uri.includes("\0")) throw new FetchError("NOT_FOUND", "there is no such file");
  if (!/^file:/i.test(uri)) return uri;
  try {
    return fileURLToPath(uri);
  } catch {
    throw new FetchError("NOT_ALLOWED", "its address is no path of this machine");
  }
}

async function opened(folders: readonly string[], path: string): Promise<FileHandle> {
  let isOutside = false;
  for (const folder of folders) {
    try {
      const root = await realpath(folder);
      const real = await realpath(resolve(root, path));
      if (!isBelow(root, real)) {
        isOutside = true;
        continue;
      }
      return await openReal(root, real);
    } catch (trouble) {
      if (trouble instanceof FetchError) throw trouble;
      // Missing, or not to be read: there may be one below the next folder.
    }
  }
  // The same for what is outside and there, and what is outside and not: nobody learns of other files here.
  if (isOutside || isAbsolute(path))
    throw new FetchError("NOT_ALLOWED", "it is not below the folders that evidence is read from");
  throw new FetchError("NOT_FOUND", "there is no such file");
}

/** The file that was looked at, and no other that took its place meanwhile. */
async function openReal(root: string, real: string): Promise<FileHandle> {
  const file = await open(real, HOW);
  try {
    const [held, seen, again] = await Promise.all([file.stat(), lstat(real), realpath(real)]);
    if (!held.isFile()) throw new FetchError("NOT_FOUND", "it is no file");
    if (again !== real || !isBelow(root, again) || held.ino !== seen.ino || held.dev !== seen.dev)
      throw new FetchError("UNREADABLE", "it changed while it was opened");
    return file;
  } catch (trouble) {
    await file.close();
    throw trouble;
  }
}

function isBelow(root: string, path: string): boolean {
  const rest = relative(root, path);
  return rest !== "" && rest !== ".." && !rest.startsWith(`..${sep}`) && !isAbsolute(rest);
}
