// The file that an installation travels in: its parts, and how they are written. Not here: reading it back (unpack.ts), and what
// the rows mean.
import { createHash } from "node:crypto";

/*
 * A line that names the format, then frames: one letter, the payload's length (4 bytes, big-endian), the payload.
 *
 *   H  the header, JSON          once, first
 *   T  a table begins, JSON      then any number of
 *   D  rows as COPY text         (a frame may end within a row)
 *   E  the table ends, JSON      with its count and digest
 *   F  the end, JSON             once, last: count of tables and digest of all that precedes it
 *
 * Counts and digests follow what they count, so that an export can go to a pipe; a reader looks at the whole file before it
 * believes any of it. Rows are in the order of their primary key: the digest of a table is then the same wherever its rows are.
 */
export const MAGIC = Buffer.from("maestro-export\n");
export const FORMAT = 1;
/** Of a frame. Bounds what a reader has to hold. */
export const MAX_FRAME = 1024 * 1024;
const DATA_FRAME = 256 * 1024;
export const FRAME_HEAD = 5;

/** A migration that the tables of the file have gone through. */
export interface SchemaStep {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
}

export interface Header {
  readonly format: number;
  readonly installationId: string;
  readonly storeEpoch: number;
  readonly schema: readonly SchemaStep[];
  /** Months (`YYYYMM`) that have partitions of their own. */
  readonly months: readonly string[];
  readonly build: string;
  readonly exportedAt: string;
  readonly postgresMajor: number;
}

export interface TableHead {
  readonly name: string;
  readonly columns: readonly string[];
}

export interface TableTail {
  readonly rows: number;
  readonly bytes: number;
  /** Of the rows as COPY text, hex. */
  readonly sha256: string;
}

export interface Ending {
  readonly tables: number;
  readonly sha256: string;
}

/** Takes the bytes; its promise is the back-pressure. */
export type Sink = (bytes: Uint8Array) => Promise<void>;

/** Counts rows of COPY text as they pass, and digests them. A newline always ends a row: within values it is written `\n`. */
export class RowDigest {
  readonly #hash = createHash("sha256");
  #rows = 0;
  #bytes = 0;

  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) this.#rows++;
  }

  end(): TableTail {
    return { rows: this.#rows, bytes: this.#bytes, sha256: this.#hash.digest("hex") };
  }
}

/** Writes a container to a sink, one part after the other. Holds one frame at a time. */
export class ContainerWriter {
  readonly #sink: Sink;
  readonly #hash = createHash("sha256");
  #tables = 0;
  #written = 0;

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  /** Bytes so far. */
  get written(): number {
    return this.#written;
  }

  async header(header: Header): Promise<void> {
    await this.#put(MAGIC);
    await this.#frame("H", json(header));
  }

  /** Writes a table from pieces of COPY text of any size. */
  async table(head: TableHead, pieces: AsyncIterable<Uint8Array>): Promise<TableTail> {
    await this.#frame("T", json(head));
    const digest = new RowDigest();
    for await (const piece of pieces) {
      digest.add(piece);
      for (let at = 0; at < piece.length; at += DATA_FRAME)
        await this.#frame("D", piece.subarray(at, Math.min(at + DATA_FRAME, piece.length)));
    }
    const tail = digest.end();
    await this.#frame("E", json(tail));
    this.#tables++;
    return tail;
  }

  async end(): Promise<void> {
    const ending: Ending = { tables: this.#tables, sha256: this.#hash.digest("hex") };
    await this.#send(frameHead("F", json(ending).length));
    await this.#send(json(ending));
  }

  async #frame(kind: string, payload: Uint8Array): Promise<void> {
    await this.#put(frameHead(kind, payload.length));
    await this.#put(payload);
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    await this.#send(bytes);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    this.#written += bytes.length;
    await this.#sink(bytes);
  }
}

function frameHead(kind: string, length: number): Buffer {
  const head = Buffer.alloc(FRAME_HEAD);
  head.write(kind, 0, "latin1");
  head.writeUInt32BE(length, 1);
  return head;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
