// Reads the lines by which a command says which files are artifacts of its step, and opens those files. Not here: who has them
// kept, see ../shell-executor.ts.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { readLeftFile } from "./left-file.ts";

const MOST_BYTES = 262_144;
/** As many as an attempt may name. */
const MOST_FILES = 64;
const TEXT_BYTES = 255;
const CHUNK_BYTES = 1_048_576;

/** A file that a command made for others. */
export interface ArtifactFile {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly contentType?: string;
}

export interface CommandArtifacts {
  readonly artifacts?: readonly ArtifactFile[];
  /** Why there are none although the command wrote something. One sentence. */
  readonly artifactsError?: string;
}

/** No file and an empty file mean no artifacts. Paths are of the command's folder. Never throws: the command chose what it put there. */
export async function readArtifacts(path: string, folder: string): Promise<CommandArtifacts> {
  const { text, problem } = await readLeftFile(path, MOST_BYTES);
  if (text === undefined) return { artifactsError: `The artifacts file ${problem}.` };
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) return {};
  if (lines.length > MOST_FILES)
    return { artifactsError: `The artifacts file names ${lines.length} files; at most ${MOST_FILES} are taken.` };
  const artifacts: ArtifactFile[] = [];
  for (const [index, line] of lines.entries()) {
    const read = artifactIn(line, folder);
    if (typeof read === "string") return { artifactsError: `Line ${index + 1} of the artifacts file ${read}.` };
    artifacts.push(read);
  }
  return { artifacts };
}

/** Or what is wrong with the line. */
function artifactIn(line: string, folder: string): ArtifactFile | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return "is not JSON";
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return "must hold a JSON object";
  const {
    path,
    name = typeof path === "string" ? basename(path) : "",
    content_type: type,
    ...rest
  } = value as {
    readonly [key: string]: unknown;
  };
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) return `has the key ${JSON.stringify(unknown)}; known are name, path and content_type`;
  if (typeof path !== "string" || path === "" || path.includes("\0")) return "must name a file by `path`";
  if (typeof name !== "string" || !isShort(name) || name === "")
    return `must have a \`name\` of 1 to ${TEXT_BYTES} bytes`;
  if (type !== undefined && (typeof type !== "string" || !isShort(type)))
    return `must have a \`content_type\` of at most ${TEXT_BYTES} bytes`;
  return { name, path: resolve(folder, path), ...(type !== undefined && { contentType: type }) };
}

function isShort(text: string): boolean {
  return Buffer.byteLength(text) <= TEXT_BYTES && text.isWellFormed() && !text.includes("\0");
}

/**
 * A file's content as large as it is now. Those that say they are empty and are not, as in /proc, are empty: what the executor
 * may read of itself there is not for a command to hand out. Throws what the system says of a file that cannot be read.
 */
export async function* contentOfFile(path: string): AsyncGenerator<Uint8Array> {
  // A pipe would keep us waiting.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = await file.stat();
    if (!facts.isFile()) throw new Error("it is no regular file");
    for (let at = 0; at < facts.size;) {
      const bytes = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, facts.size - at));
      const { bytesRead } = await file.read(bytes, 0, bytes.length, at);
      if (bytesRead === 0) throw new Error("it was cut while it was read");
      at += bytesRead;
      yield bytes.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
