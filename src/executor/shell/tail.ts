// The last bytes of a stream, which a result carries, and how many there were. Not here: the lines on their way, see log.ts.
import { readable } from "./log.ts";

/** Room for the rest of a character whose start was pushed out. */
const CHARACTER_BYTES = 4;

/** Keeps the last `most` bytes of what is pushed, in a ring of about that size. */
export class Tail {
  readonly #most: number;
  readonly #ring: Buffer;
  #at = 0;
  /** All bytes that were pushed. */
  bytes = 0;

  constructor(most: number) {
    this.#most = most;
    this.#ring = Buffer.alloc(most);
  }

  push(chunk: Buffer): void {
    this.bytes += chunk.length;
    if (this.#most === 0) return;
    const kept = chunk.length > this.#most ? chunk.subarray(chunk.length - this.#most) : chunk;
    const first = Math.min(kept.length, this.#most - this.#at);
    kept.copy(this.#ring, this.#at, 0, first);
    kept.copy(this.#ring, 0, first);
    this.#at = (this.#at + kept.length) % this.#most;
  }

  /** Text of at most `most` bytes of UTF-8 that begins with a whole character. */
  text(): string {
    if (this.bytes <= this.#most) return lastBytes(readable(this.#ring.subarray(0, this.bytes)), this.#most);
    const kept = Buffer.concat([this.#ring.subarray(this.#at), this.#ring.subarray(0, this.#at)]);
    return lastBytes(readable(kept.subarray(firstCharacter(kept))), this.#most);
  }
}

/** Replaced bytes grow, so the text may be longer than the bytes were. */
function lastBytes(text: string, most: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= most) return text;
  const kept = bytes.subarray(bytes.length - most);
  return kept.toString("utf8", firstCharacter(kept));
}

function firstCharacter(bytes: Buffer): number {
  let at = 0;
  while (at < CHARACTER_BYTES - 1 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at++;
  return at;
}
