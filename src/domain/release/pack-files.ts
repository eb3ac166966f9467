// The files of an exported pack: names, order, and how large each may be. Not here: what they say (docs/packs.md tells), and the archive
// that they are in.
import { MOST_STANDING_WAIVERS } from "../waiver.ts";

export const PACK_FORMAT = "maestro.pack";
export const PACK_VERSION = 1;
export const PACK_PREDICATE_TYPE = "max://attestation/disclosure-pack/v1";
/** Summary of a verification, as SLSA has it: what the gate said. */
export const VSA_PREDICATE_TYPE = "https://slsa.dev/verification_summary/v1";
/** What a waiver's envelope says, and all of it: none of these may be missing. */
export const WAIVER_PREDICATE_TYPE = "max://attestation/waiver/v1";
export const WAIVER_MEMBERS = [
  "artifact_id",
  "expires_ms",
  "granted_by",
  "granted_ms",
  "org_id",
  "reason",
  "rule",
  "run_id",
  "waiver_id",
] as const;
export const PACK_CONTENT_TYPE = "application/gzip";

export const KEYS_FILE = "keys.json";
export const MANIFEST_FILE = "manifest.json";
export const GATE_FILE = "gate.dsse.json";
export const STATEMENT_FILE = "statement.dsse.json";

/** Lists, in files of lines that are numbered from 1. */
export type PackList = "artifacts" | "waivers" | "verdicts" | "records";

/** In this order; the statement is last, so that all the rest is known when it is written, and nobody takes a part for the whole. */
const ORDER: readonly string[] = [
  KEYS_FILE,
  "artifacts",
  "evidence",
  "waivers",
  "verdicts",
  "records",
  MANIFEST_FILE,
  GATE_FILE,
  STATEMENT_FILE,
];

const MIB = 1_048_576;
/** A file of lines is ended when it has as many bytes; a line may be longer. */
export const LINES_FILE_BYTES = MIB;
export const EVIDENCE_FILE_BYTES = 64 * MIB;
/** All evidence of a pack. */
export const PACK_EVIDENCE_BYTES = 256 * MIB;
export const EVIDENCE_FILES = 1_000;
/** As the contract has it. */
export const PACK_ARTIFACTS = 10_000;
/** Named in statements, in the order of the list; all that are released stand there. */
export const RELEASED_NAMED = 1_000;
/** All that stand, and the newest of the others. */
export const WAIVERS_SHOWN = MOST_STANDING_WAIVERS;

/** What a reader bears at the most: more than a writer can come to. */
export const PACK_LIMITS = {
  packedBytes: 1_024 * MIB,
  bytes: 4_096 * MIB,
  files: 20_000,
  documentBytes: 16 * MIB,
  ratio: 200,
  // Evidence may be of any kind, zeros among them.
  freeBytes: 512 * MIB,
} as const;

const LIST_NAME = /^(artifacts|waivers|verdicts|records)\/(\d{6})\.jsonl$/;
const EVIDENCE_NAME = /^evidence\/sha256-([0-9a-f]{64})$/;

export function listFile(list: PackList, number: number): string {
  return `${list}/${String(number).padStart(6, "0")}.jsonl`;
}

/** The list that a file has lines of, if it is such a file. */
export function listOf(name: string): { readonly list: PackList; readonly number: number } | undefined {
  const [, list, number] = LIST_NAME.exec(name) ?? [];
  return list === undefined ? undefined : { list: list as PackList, number: Number(number) };
}

/** Content goes by its digest, `sha256:…`: two artifacts that are the same are there once. */
export function evidenceFile(digest: string): string {
  return `evidence/${digest.replace(":", "-")}`;
}

/** The digest that the content of such a file must have, in hexadecimal. */
export function evidenceDigest(name: string): string | undefined {
  return EVIDENCE_NAME.exec(name)?.[1];
}

/** Most bytes of a file; undefined for what is no file of a pack. */
export function mostBytesOf(name: string): number | undefined {
  if (evidenceDigest(name) !== undefined) return EVIDENCE_FILE_BYTES;
  return listOf(name) !== undefined || rankOf(name) >= 0 ? PACK_LIMITS.documentBytes : undefined;
}

/** Whether a file may follow another one. */
export function mayFollow(name: string, before: string | null): boolean {
  if (before === null) return name === KEYS_FILE;
  const [now, then] = [listOf(name), listOf(before)];
  if (now !== undefined && now.list === then?.list) return now.number === then.number + 1;
  if (evidenceDigest(name) !== undefined && evidenceDigest(before) !== undefined) return true;
  return rankOf(name) > rankOf(before) && (now === undefined || now.number === 1);
}

function rankOf(name: string): number {
  return ORDER.indexOf(evidenceDigest(name) === undefined ? (listOf(name)?.list ?? name) : "evidence");
}
