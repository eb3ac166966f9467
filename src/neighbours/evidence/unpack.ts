// Bytes of evidence as text: unpacked where they are gzip, within bounds, and UTF-8 or nothing. Not here: what the text says.
import { gunzipSync } from "node:zlib";
import { EVIDENCE_BYTES, UNPACK_FREE_BYTES, UNPACK_RATIO } from "./limits.ts";

/** What is wrong with evidence, in words for people: findings tell it. */
export class EvidenceError extends Error {}

/** `onBytes` is told what it came to, or would have. */
export function textOf(bytes: Uint8Array, onBytes: (bytes: number) => void = () => undefined): string {
  onBytes(mostOf(bytes));
  const plain = isGzip(bytes) ? unpacked(bytes) : bytes;
  onBytes(plain.length);
  if (isGzip(plain)) throw new EvidenceError("it is packed more than once");
  try {
    // A byte order mark is no content.
    return new TextDecoder("utf-8", { fatal: true }).decode(plain);
  } catch {
    throw new EvidenceError("it is not UTF-8");
  }
}

export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function mostOf(packed: Uint8Array): number {
  return Math.min(EVIDENCE_BYTES, Math.max(UNPACK_FREE_BYTES, packed.length * UNPACK_RATIO));
}

export function unpacked(bytes: Uint8Array): Uint8Array {
  const most = mostOf(bytes);
  try {
    return gunzipSync(bytes, { maxOutputLength: most });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ERR_BUFFER_TOO_LARGE")
      throw new EvidenceError(`unpacked it has more than ${most} bytes, which is more than is taken`);
    throw new EvidenceError("it is damaged gzip");
  }
}
