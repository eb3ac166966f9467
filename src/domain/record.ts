// Records: one entry of the tamper-evident log per effect or refusing decision; leaf format v1. Not here: sealing.
import { hash } from "node:crypto";
import type { OrgId, RecordId } from "./id.ts";

/** What each stage that a call went through had to say; part of the record of whatever the call caused. */
export type StageNotes = Readonly<Record<string, string>>;

/** What a record says, before it has an id, a place and a leaf. */
export interface RecordDraft {
  /** Operation or event, such as `outcome.report`. */
  readonly kind: string;
  /** Principal, executor or `maestro` itself. */
  readonly actor: string;
  /** JSON object; what watchers and traces read. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Text that may be redacted apart from the body, such as outputs; only its commitment is kept here. */
  readonly payload?: string | null;
}

/** A record as it is stored, bytes in hex. Never updated afterwards. */
export interface StoredRecord {
  readonly recordId: RecordId;
  readonly seq: number;
  readonly kind: string;
  readonly atMs: number;
  readonly header: string;
  readonly body: string;
  readonly payloadCommitment: string | null;
  readonly headerSalt: string;
  readonly bodySalt: string;
  readonly leaf: string;
}

export interface RecordPlace {
  readonly orgId: OrgId;
  /** Plan id, or the journal's session id. */
  readonly stream: string;
  readonly seq: number;
  readonly atMs: number;
}

/**
 * Leaf format v1. commitment(x) = SHA-256(salt ‖ x); payload salt = SHA-256("payload" ‖ body salt);
 * leaf = SHA-256(0x00 ‖ "maestro.leaf.v1" ‖ commitment(header) ‖ commitment(body) ‖ commitment(payload) or 32 zero bytes).
 * The header is RFC 8785 text: its members are written in sorted order here. The 0x00 is RFC 6962's leaf prefix.
 * Redaction deletes a salt and its value; the commitment then still opens nothing, and the leaf still verifies.
 */
export function storeRecord(
  draft: RecordDraft,
  place: RecordPlace,
  recordId: RecordId,
  salts: Uint8Array,
): StoredRecord {
  const header =
    `{"actor":${JSON.stringify(draft.actor)},"at":${String(place.atMs)},"id":"${recordId}","kind":${JSON.stringify(draft.kind)},` +
    `"org":"${place.orgId}","seq":${String(place.seq)},"stream":"${place.stream}","v":1}`;
  const body = JSON.stringify(draft.body);
  const headerSalt = salts.subarray(0, 16);
  const bodySalt = salts.subarray(16, 32);
  const payload = draft.payload ?? null;
  const payloadCommitment = payload === null ? null : commitment(payloadSalt(bodySalt), payload);
  const leaf = leafOf(commitment(headerSalt, header), commitment(bodySalt, body), payloadCommitment ?? NO_PAYLOAD);
  return {
    recordId,
    seq: place.seq,
    kind: draft.kind,
    atMs: place.atMs,
    header,
    body,
    payloadCommitment,
    headerSalt: hexOf(headerSalt),
    bodySalt: hexOf(bodySalt),
    leaf,
  };
}

/** Of a header or a body, from its salt and text: what its leaf holds of it. */
export function commitmentOf(salt: string, text: string): string {
  return commitment(Buffer.from(salt, "hex"), text);
}

/** The leaf of a record of which only commitments need be known; null for no payload. */
export function leafOfCommitments(header: string, body: string, payload: string | null): string {
  return leafOf(header, body, payload ?? NO_PAYLOAD);
}

/** Random bytes that a record needs. */
export const RECORD_SALT_BYTES = 32;

const LEAF_PREFIX = Buffer.concat([Buffer.from([0]), Buffer.from("maestro.leaf.v1", "ascii")]);
const PAYLOAD_PREFIX = Buffer.from("payload", "ascii");
const NO_PAYLOAD = "00".repeat(32);

/*
 * What is hashed is put together in one place, and digests are text: a buffer for each of the ten that a record takes costs more
 * than the hashing. Nothing is left there from one call to the next.
 */
const room = Buffer.allocUnsafeSlow(32_768);

function commitment(salt: Uint8Array, text: string): string {
  const most = salt.length + 3 * text.length;
  const into = most <= room.length ? room : Buffer.allocUnsafe(most);
  into.set(salt);
  return sha256(into, salt.length + into.write(text, salt.length, "utf8"));
}

function payloadSalt(bodySalt: Uint8Array): Uint8Array {
  room.set(PAYLOAD_PREFIX);
  room.set(bodySalt, PAYLOAD_PREFIX.length);
  return Buffer.from(sha256(room, PAYLOAD_PREFIX.length + bodySalt.length), "hex");
}

function leafOf(...commitments: readonly string[]): string {
  room.set(LEAF_PREFIX);
  let end = LEAF_PREFIX.length;
  for (const one of commitments) end += room.write(one, end, "hex");
  return sha256(room, end);
}

function sha256(bytes: Buffer, length: number): string {
  return hash("sha256", bytes.subarray(0, length), "hex");
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}
