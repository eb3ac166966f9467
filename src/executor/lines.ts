// Lines of output on their way to the server, in bounded memory. Not here: when they are sent.
import { create } from "@bufbuild/protobuf";
import { LogLineSchema } from "../../gen/maestro/v1/dispatch_pb.ts";
import type { LogLine } from "../../gen/maestro/v1/dispatch_pb.ts";
import { cut, timestamp } from "./convert.ts";

/** Bounds of what an attempt keeps while the server cannot be reached. */
export const MOST_LINES = 4_000;
export const MOST_BYTES = 2 * 1024 * 1024;
/** Bounds of one renewal: the contract's, and well under the size of a message. */
const RENEWAL_LINES = 1_000;
const RENEWAL_BYTES = 1024 * 1024;
const LINE_BYTES = 16_384;

interface Kept {
  readonly line: LogLine;
  readonly bytes: number;
}

/** Lines wait here until the server has said that it handled the message which carried them. */
export class Lines {
  #waiting: Kept[] = [];
  #sent: { readonly number: bigint; readonly kept: Kept[] }[] = [];
  #bytes = 0;
  #dropped = 0;

  get pending(): boolean {
    return this.#waiting.length > 0;
  }

  add(text: string, stream: string, atMs: number): void {
    for (const part of text.split(/\r?\n/)) {
      const line = create(LogLineSchema, { at: timestamp(atMs), stream: cut(stream, 64), text: cut(part, LINE_BYTES) });
      const kept = { line, bytes: line.text.length + 64 };
      this.#waiting.push(kept);
      this.#bytes += kept.bytes;
    }
    this.#shrink();
  }

  /** The next lines, as many as one renewal may carry; they are kept until `acknowledge` reaches the number of its message. */
  take(number: bigint): LogLine[] {
    const notice = this.#notice();
    let bytes = 0;
    let count = notice.length;
    for (const kept of this.#waiting) {
      if (count === RENEWAL_LINES || (count > 0 && bytes + kept.bytes > RENEWAL_BYTES)) break;
      bytes += kept.bytes;
      count++;
    }
    const kept = [...notice, ...this.#waiting.splice(0, count - notice.length)];
    if (kept.length > 0) this.#sent.push({ number, kept });
    return kept.map(({ line }) => line);
  }

  acknowledge(number: bigint): void {
    while (this.#sent[0] !== undefined && this.#sent[0].number <= number) {
      for (const { bytes } of this.#sent.shift()?.kept ?? []) this.#bytes -= bytes;
    }
  }

  /** The stream broke: what was not acknowledged goes again. */
  resend(): void {
    this.#waiting = [...this.#sent.flatMap(({ kept }) => kept), ...this.#waiting];
    this.#sent = [];
  }

  /** The oldest lines go first. */
  #shrink(): void {
    while (this.#waiting.length > MOST_LINES || (this.#waiting.length > 1 && this.#bytes > MOST_BYTES)) {
      this.#bytes -= this.#waiting.shift()?.bytes ?? 0;
      this.#dropped++;
    }
  }

  /** A line in the place of those that were dropped. */
  #notice(): Kept[] {
    if (this.#dropped === 0) return [];
    const text = `… ${this.#dropped} lines dropped: they came faster than they could be sent`;
    const at = this.#waiting[0]?.line.at;
    this.#dropped = 0;
    return [{ line: create(LogLineSchema, { ...(at && { at }), stream: "maestro", text }), bytes: 0 }];
  }
}
