// Bytes of a command's output on their way to lines of text, in bounded memory and at a bounded rate.
// Not here: the last bytes that a result keeps, see tail.ts.
import type { Clock } from "../../support/clock.ts";

/** A line of output, without its line end. */
export interface LogLine {
  readonly stream: "stdout" | "stderr";
  readonly text: string;
  /** When it arrived, milliseconds since the epoch. */
  readonly atMs: number;
}

/** Longer lines are cut into pieces of at most this many bytes of UTF-8. */
export const LINE_BYTES = 16_384;
/** What a command may print at once, and then every second. Everything beyond is counted, not handed on. */
const BURST_LINES = 4_000;
const BURST_BYTES = 2 * 1024 * 1024;
const LINES_A_SECOND = 1_000;
const BYTES_A_SECOND = 1024 * 1024;
/** Once spent, this much must come together before lines pass again: a flood then shows as runs of lines, not as crumbs. */
const RESUME_LINES = 250;
const RESUME_BYTES = 256 * 1024;

const LINE_END = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** How much of its output a command may still hand on; both of its streams draw from it. */
export class LogBudget {
  readonly #clock: Clock;
  #lines = BURST_LINES;
  #bytes = BURST_BYTES;
  #filledAtMs: number;
  #spent = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#filledAtMs = clock.monotonicMs();
  }

  /** Once a chunk, not once a line: a flood has millions of them. */
  refill(): void {
    const nowMs = this.#clock.monotonicMs();
    const seconds = Math.max(0, nowMs - this.#filledAtMs) / 1000;
    this.#filledAtMs = nowMs;
    this.#lines = Math.min(BURST_LINES, this.#lines + seconds * LINES_A_SECOND);
    this.#bytes = Math.min(BURST_BYTES, this.#bytes + seconds * BYTES_A_SECOND);
    if (this.#lines >= RESUME_LINES && this.#bytes >= RESUME_BYTES) this.#spent = false;
  }

  get spent(): boolean {
    return this.#spent;
  }

  draw(bytes: number): void {
    this.#lines -= 1;
    this.#bytes -= bytes;
    if (this.#lines < 1 || this.#bytes < 1) this.#spent = true;
  }
}

/** Cuts one stream into lines. Holds at most one unfinished line. */
export class LineSplitter {
  readonly #stream: LogLine["stream"];
  readonly #onLog: (line: LogLine) => void;
  readonly #budget: LogBudget;
  readonly #clock: Clock;
  readonly #unfinished = Buffer.alloc(LINE_BYTES);
  #filled = 0;
  /** The unfinished line already gave pieces away, so that an empty rest of it is no line. */
  #pieces = false;
  #atMs = 0;
  #droppedLines = 0;
  #droppedBytes = 0;

  constructor(stream: LogLine["stream"], onLog: (line: LogLine) => void, budget: LogBudget, clock: Clock) {
    this.#stream = stream;
    this.#onLog = onLog;
    this.#budget = budget;
    this.#clock = clock;
  }

  push(chunk: Buffer): void {
    this.#budget.refill();
    this.#atMs = this.#clock.nowMs();
    let from = 0;
    while (from < chunk.length) {
      if (this.#budget.spent) from = this.#skip(chunk, from);
      const end = chunk.indexOf(LINE_END, from);
      this.#take(chunk, from, end === -1 ? chunk.length : end);
      if (end === -1) return;
      this.#finish();
      from = end + 1;
    }
  }

  /** The stream ended: what is left is a line too. */
  end(): void {
    this.#budget.refill();
    this.#atMs = this.#clock.nowMs();
    if (this.#filled > 0) this.#finish();
    this.#tellDropped();
  }

  /** Passes over all finished lines of the chunk in one plain loop. Returns where the unfinished one begins. */
  #skip(chunk: Buffer, from: number): number {
    const last = chunk.lastIndexOf(LINE_END);
    if (last < from) return from;
    for (let i = from; i <= last; i++) if (chunk[i] === LINE_END) this.#droppedLines++;
    this.#droppedBytes += this.#filled + last + 1 - from;
    this.#filled = 0;
    this.#pieces = false;
    return last + 1;
  }

  #take(chunk: Buffer, from: number, to: number): void {
    while (to - from > LINE_BYTES - this.#filled) {
      const room = LINE_BYTES - this.#filled;
      chunk.copy(this.#unfinished, this.#filled, from, from + room);
      from += room;
      const cut = wholeCharacters(this.#unfinished, LINE_BYTES);
      this.#emit(this.#unfinished.subarray(0, cut));
      this.#unfinished.copy(this.#unfinished, 0, cut, LINE_BYTES);
      this.#filled = LINE_BYTES - cut;
      this.#pieces = true;
    }
    chunk.copy(this.#unfinished, this.#filled, from, to);
    this.#filled += to - from;
  }

  #finish(): void {
    const end = this.#unfinished[this.#filled - 1] === CARRIAGE_RETURN ? this.#filled - 1 : this.#filled;
    const length = this.#filled === 0 ? 0 : end;
    if (length > 0 || !this.#pieces) this.#emit(this.#unfinished.subarray(0, length));
    this.#filled = 0;
    this.#pieces = false;
  }

  #emit(bytes: Buffer): void {
    if (this.#budget.spent) {
      this.#droppedLines++;
      this.#droppedBytes += bytes.length + 1;
      return;
    }
    this.#tellDropped();
    const text = readable(bytes);
    this.#budget.draw(bytes.length);
    // Bytes that are no UTF-8 grow threefold when they are replaced.
    if (text.length * 3 <= LINE_BYTES || Buffer.byteLength(text) <= LINE_BYTES) return this.#hand(text);
    for (let rest = Buffer.from(text); rest.length > 0;) {
      const cut = rest.length <= LINE_BYTES ? rest.length : wholeCharacters(rest, LINE_BYTES);
      this.#hand(rest.toString("utf8", 0, cut));
      rest = rest.subarray(cut);
    }
  }

  #hand(text: string): void {
    this.#onLog({ stream: this.#stream, text, atMs: this.#atMs });
  }

  #tellDropped(): void {
    if (this.#droppedLines === 0) return;
    const [lines, bytes] = [this.#droppedLines, this.#droppedBytes];
    this.#droppedLines = this.#droppedBytes = 0;
    this.#hand(`… ${lines} lines (${bytes} bytes) left out: more than ${LINES_A_SECOND} lines or 1 MiB a second`);
  }
}

/** Text for people and for stores: invalid bytes and NUL, which Postgres text refuses, become U+FFFD. */
export function readable(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  return text.includes("\0") ? text.replaceAll("\0", "\ufffd") : text;
}

/** The longest length up to `length` that does not end inside a UTF-8 character. */
function wholeCharacters(bytes: Buffer, length: number): number {
  for (let back = 1; back <= 3 && back < length; back++) {
    const byte = bytes[length - back] ?? 0;
    if (byte < 0x80) break;
    if (byte < 0xc0) continue;
    const size = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return size > back ? length - back : length;
  }
  return length;
}
