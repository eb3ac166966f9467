// Content for the tests of artifacts: made from a seed, so that large amounts of it need not be kept. Not here: expectations.
import { createHash } from "node:crypto";

/** Bytes that compress badly and differ from one place to the next. */
export function contentOf(sizeBytes: number, seed = 1): Buffer {
  const content = Buffer.alloc(sizeBytes);
  let state = seed >>> 0 || 1;
  const words = new Uint32Array(content.buffer, content.byteOffset, Math.floor(sizeBytes / 4));
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return content;
}

export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
