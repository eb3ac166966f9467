// Whether a document of any kind holds anything at all. Not here: documents whose form is known.
import { isVisible } from "../../domain/visible.ts";
import { EvidenceError, isGzip, unpacked } from "./unpack.ts";

/** What nobody can unpack, or would have to more than once, says nothing to anybody. */
export function isBlank(bytes: Uint8Array): boolean {
  try {
    const plain = isGzip(bytes) ? unpacked(bytes) : bytes;
    return isGzip(plain) || !isVisible(textIn(plain));
  } catch (error) {
    if (error instanceof EvidenceError) return true;
    throw error;
  }
}

/** Bytes that are no text of any encoding that is known are something to see. */
function textIn(bytes: Uint8Array): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding).decode(bytes);
}
