// Exported packs: had from a server, taken apart, put together otherwise, and signed anew. Not here: expectations.
import { createHash, generateKeyPairSync } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import type { ConductorService } from "../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { verifyPack } from "../../src/cli/pack/verify.ts";
import type { PackVerdict, Trust } from "../../src/cli/pack/verify.ts";
import { IN_TOTO_PAYLOAD_TYPE, keyIdOf, readEnvelope, signEnvelope } from "../../src/support/dsse.ts";
import { gunzip, gzip } from "../../src/support/gzip.ts";
import { readTar, writeTar } from "../../src/support/tar.ts";
import type { TarFile } from "../../src/support/tar.ts";

export type Conductor = Client<typeof ConductorService>;
/** Name and content, in order. */
export type Files = [name: string, content: Buffer][];

const NO_LIMITS = { bytes: Infinity, ratio: Infinity, freeBytes: Infinity };

export async function exported(conductor: Conductor, id: string) {
  const parts: Uint8Array[] = [];
  let archive: { readonly fileName: string; readonly contentType: string; readonly keyId: string } | undefined;
  for await (const { part } of conductor.exportDisclosurePack({ id })) {
    if (part.case === "archive") archive = part.value;
    if (part.case === "data") parts.push(part.value);
  }
  if (archive === undefined) throw new Error("the export did not say what it is");
  return { archive, bytes: Buffer.concat(parts), parts: parts.length };
}

/** Bytes in pieces of some size, as they come from a file or a wire. */
export async function* inPieces(bytes: Uint8Array, size = 65_536): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export async function together(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunk of chunks) all.push(Buffer.from(chunk));
  return Buffer.concat(all);
}

export async function filesOf(archive: Uint8Array): Promise<Files> {
  const files: Files = [];
  const limits = { files: Infinity, sizeOf: () => Infinity };
  for await (const { name, chunks } of readTar(gunzip(inPieces(archive), NO_LIMITS), limits))
    files.push([name, await together(piecesOf(chunks))]);
  return files;
}

async function* piecesOf(chunks: TarFile["chunks"]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

export async function archiveOf(files: Files): Promise<Buffer> {
  const each = async function* (): AsyncGenerator<TarFile> {
    for (const [name, content] of files) yield { name, size: content.length, chunks: [content] };
  };
  return together(gzip(writeTar(each())));
}

export function verified(archive: Uint8Array, trust: Trust = { kind: "NONE" }): Promise<PackVerdict> {
  return verifyPack(inPieces(archive), trust);
}

/** What failed, by check. */
export function failures({ checks }: PackVerdict): Readonly<Record<string, string>> {
  return Object.fromEntries(checks.flatMap(({ check, ok, found }) => (ok ? [] : [[check, found]])));
}

export function jsonOf(files: Files, name: string): unknown {
  return JSON.parse(files.find(([other]) => other === name)?.[1].toString("utf8") ?? "null");
}

/** All lines of a list. */
export function linesOf(files: Files, list: string): readonly Record<string, unknown>[] {
  return files
    .filter(([name]) => name.startsWith(`${list}/`))
    .flatMap(([, content]) => content.toString("utf8").split("\n").slice(0, -1))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

/** The same files, one of them with other content. */
export function changed(files: Files, name: string, change: (content: Buffer) => Buffer | string): Files {
  return files.map(([other, content]) => [other, other === name ? Buffer.from(change(content)) : content]);
}

/** A key of whoever forges packs. */
export function forger() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { keyId: keyIdOf(publicKey), publicPem: publicKey, privatePem: privateKey };
}

/** The files with a key of the forger's beside the true ones, and statements over what they are now: only their content can give it away. */
export function signedAnew(files: Files, key: ReturnType<typeof forger>): Files {
  const keys = jsonOf(files, "keys.json") as { keys: object[] };
  const own = { key_id: key.keyId, public_key_pem: key.publicPem, created_at: "2026-01-01T00:00:00.000Z" };
  let now = changed(files, "keys.json", () => JSON.stringify({ keys: [own, ...keys.keys] }));
  const resign = (name: string, change: (statement: Statement) => void): void => {
    now = changed(now, name, (content) => {
      const envelope = readEnvelope(content.toString("utf8"));
      const statement = JSON.parse(Buffer.from(envelope?.payload ?? "", "base64").toString("utf8")) as Statement;
      change(statement);
      return JSON.stringify(signEnvelope(IN_TOTO_PAYLOAD_TYPE, JSON.stringify(statement), key));
    });
  };
  const digest = (content: Buffer) => ({ sha256: createHash("sha256").update(content).digest("hex") });
  resign("gate.dsse.json", ({ subject }) => {
    for (const one of subject)
      if (one.name === "manifest.json")
        one.digest = digest(now.find(([name]) => name === one.name)?.[1] ?? Buffer.of());
  });
  resign("statement.dsse.json", (statement) => {
    statement.subject = now
      .filter(([name]) => name !== "statement.dsse.json")
      .map(([name, content]) => ({ name, digest: digest(content) }));
  });
  return now;
}

interface Statement {
  subject: { name: string; digest: { sha256: string } }[];
  predicate: Record<string, unknown>;
}
