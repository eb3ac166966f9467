// The canonical form of JSON values (RFC 8785) and digests over it. Not here: reading JSON, see json.ts.
import { hash } from "node:crypto";
import canonicalize from "canonicalize";

/** RFC 8785 text of a JSON value. Two values have the same text exactly when they are the same value. */
export function canonicalText(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new Error("This value has no JSON form.");
  return text;
}

export function sha256Hex(text: string): string {
  return hash("sha256", text, "hex");
}

/** By way of text: a buffer that the hash makes itself is memory of its own, and costs three times as much with what it leaves behind. */
export function sha256(content: Uint8Array | string): Uint8Array {
  return Buffer.from(hash("sha256", content, "hex"), "hex");
}

/** `sha256:…` over a text as it stands, in UTF-8. */
export function digestOfText(text: string): string {
  return `sha256:${sha256Hex(text)}`;
}

/** `sha256:…` over the RFC 8785 text of a JSON value. */
export function digestOf(value: unknown): string {
  return digestOfText(canonicalText(value));
}
