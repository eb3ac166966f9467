// Reads an exported pack once, from its first byte to its last, and keeps only what verifying needs. Nothing is written to disk, and what is
// held is bounded whatever the archive claims. Not here: what must agree with what, see verify.ts.
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { evidenceDigest, listOf, mayFollow, mostBytesOf } from "../../domain/release/pack-files.ts";
import { KEYS_FILE, PACK_LIMITS, STATEMENT_FILE } from "../../domain/release/pack-files.ts";
import type { PackList } from "../../domain/release/pack-files.ts";
import { gunzip } from "../../support/gzip.ts";
import { ArchiveError, readTar } from "../../support/tar.ts";
import type { TarFile } from "../../support/tar.ts";
import { parseJson } from "./json.ts";

/** Hears what is in the lists and of evidence while it goes by. */
export interface PackHearer {
  keys(value: unknown): void;
  line(list: PackList, value: unknown): void;
  /** Algorithms that content of that digest is to be hashed with besides SHA-256. */
  algorithmsFor(name: string): readonly string[];
  evidence(name: string, digests: Readonly<Record<string, string>>): void;
}

export interface PackRead {
  /** SHA-256 of every file, in hexadecimal, in order. */
  readonly digests: ReadonlyMap<string, string>;
  /** Texts of files that are no lists. */
  readonly documents: ReadonlyMap<string, string>;
  readonly bytes: number;
}

/** Throws ArchiveError when it is none, or not one of a pack. */
export async function readPack(packed: AsyncIterable<Uint8Array>, hearer: PackHearer): Promise<PackRead> {
  const digests = new Map<string, string>();
  const documents = new Map<string, string>();
  let bytes = 0;
  let before: string | null = null;
  const unpacked = gunzip(packed, PACK_LIMITS);
  for await (const file of readTar(unpacked, { files: PACK_LIMITS.files, sizeOf: mostBytesOf })) {
    const { name, size } = file;
    if (!mayFollow(name, before))
      throw new ArchiveError(`${name} is not where it belongs, after ${before ?? "the beginning"}`);
    before = name;
    bytes += size;
    if (evidenceDigest(name) !== undefined) {
      const found = await digestsOf(file, hearer.algorithmsFor(name));
      digests.set(name, found["sha256"] ?? "");
      hearer.evidence(name, found);
      continue;
    }
    const content = await wholeOf(file);
    digests.set(name, createHash("sha256").update(content).digest("hex"));
    const text = content.toString("utf8");
    const list = listOf(name)?.list;
    if (list === undefined) documents.set(name, text);
    else for (const line of linesOf(name, text)) hearer.line(list, parseJson(line));
    if (name === KEYS_FILE) hearer.keys(parseJson(text));
  }
  if (before !== STATEMENT_FILE) throw new ArchiveError("it ends before its statement");
  return { digests, documents, bytes };
}

async function digestsOf(file: TarFile, algorithms: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const sums = new Map<string, Hash>(["sha256", ...algorithms].map((name) => [name, createHash(name)]));
  for await (const chunk of file.chunks) for (const sum of sums.values()) sum.update(chunk);
  return Object.fromEntries([...sums].map(([name, sum]) => [name, sum.digest("hex")]));
}

async function wholeOf(file: TarFile): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.chunks) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** One by one: a file of a million empty lines is a string, and no more than that. */
function* linesOf(name: string, text: string): Generator<string> {
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\n", at);
    if (end < 0) throw new ArchiveError(`the last line of ${name} is not complete`);
    yield text.slice(at, end);
    at = end + 1;
  }
}
