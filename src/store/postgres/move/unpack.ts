// Reads a container back, and believes nothing of it before the whole has been seen. Not here: its layout, see container.ts.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { FORMAT, FRAME_HEAD, MAGIC, MAX_FRAME, RowDigest } from "./container.ts";
import type { Ending, Header, SchemaStep, TableHead, TableTail } from "./container.ts";
import { MoveError } from "./move-error.ts";

/** What a file holds, as far as it was counted and digested. */
export interface Manifest {
  readonly header: Header;
  readonly tables: readonly (TableHead & TableTail)[];
  readonly bytes: number;
}

/** As much as most frames have. */
const READ_BYTES = 256 * 1024;
/** First bytes of everything that gzip wrote. */
const GZIP = Buffer.from([0x1f, 0x8b]);

interface Frame {
  readonly kind: string;
  readonly payload: Buffer;
}

/** Reads the whole file and says what is in it. Throws MoveError for anything but an undamaged export. */
export async function inspect(file: string, signal?: AbortSignal): Promise<Manifest> {
  let header: Header | undefined;
  let open: { readonly head: TableHead; readonly digest: RowDigest } | undefined;
  let ended = false;
  const tables: (TableHead & TableTail)[] = [];
  const whole = createHash("sha256");
  whole.update(MAGIC);
  let bytes = MAGIC.length;
  for await (const { kind, payload } of frames(file, signal)) {
    if (ended) throw damaged("there is more after its end");
    if ((header === undefined) !== (kind === "H")) throw damaged("its header is not where it should be");
    bytes += FRAME_HEAD + payload.length;
    if (kind === "H") header = headerOf(payload);
    else if (kind === "T" && open === undefined) open = { head: tableHeadOf(payload), digest: new RowDigest() };
    else if (kind === "D" && open !== undefined) open.digest.add(payload);
    else if (kind === "E" && open !== undefined) {
      const { head, digest } = open;
      const found = digest.end();
      if (!sameTail(found, tableTailOf(payload))) throw damaged(`the rows of ${head.name} are not those written`);
      if (tables.some(({ name }) => name === head.name)) throw damaged(`it has ${head.name} twice`);
      tables.push({ ...head, ...found });
      open = undefined;
    } else if (kind === "F" && open === undefined) {
      const ending = endingOf(payload);
      if (ending.sha256 !== whole.digest("hex") || ending.tables !== tables.length)
        throw damaged("it is not as it was written");
      ended = true;
    } else throw damaged(`its parts are out of order`);
    if (!ended) {
      const head = Buffer.alloc(FRAME_HEAD);
      head.write(kind, 0, "latin1");
      head.writeUInt32BE(payload.length, 1);
      whole.update(head).update(payload);
    }
  }
  if (header === undefined || !ended) throw damaged("it was cut off: its end is missing");
  return { header, tables, bytes };
}

/** The rows of each table of a file, in order; each table's pieces are to be read to their end before the next is asked for. */
export async function* contents(
  file: string,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly head: TableHead; readonly pieces: AsyncIterable<Buffer> }> {
  const all = frames(file, signal);
  const rows = async function* (): AsyncGenerator<Buffer> {
    for (;;) {
      const { value, done } = await all.next();
      if (done === true) throw damaged("it was cut off: its end is missing");
      if (value.kind === "E") return;
      yield value.payload;
    }
  };
  try {
    for (;;) {
      const { value, done } = await all.next();
      if (done === true) return;
      if (value.kind === "T") yield { head: tableHeadOf(value.payload), pieces: rows() };
    }
  } finally {
    await all.return(undefined);
  }
}

async function* frames(file: string, signal?: AbortSignal): AsyncGenerator<Frame, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let begun = false;
  for await (const chunk of pieces(file, signal)) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    if (!begun) {
      if (rest.length < MAGIC.length) continue;
      if (!rest.subarray(0, MAGIC.length).equals(MAGIC)) throw foreign();
      rest = rest.subarray(MAGIC.length);
      begun = true;
    }
    while (rest.length >= FRAME_HEAD) {
      const length = rest.readUInt32BE(1);
      if (length > MAX_FRAME) throw damaged("a part of it is longer than any can be");
      if (rest.length < FRAME_HEAD + length) break;
      yield { kind: rest.toString("latin1", 0, 1), payload: rest.subarray(FRAME_HEAD, FRAME_HEAD + length) };
      rest = rest.subarray(FRAME_HEAD + length);
    }
  }
  if (!begun) throw foreign();
  if (rest.length > 0) throw damaged("it was cut off within a part");
  return undefined;
}

/** What the file holds; one that begins as gzip does is unpacked on the way, whatever its name. */
async function* pieces(file: string, signal?: AbortSignal): AsyncGenerator<Buffer> {
  const stream = createReadStream(file, { highWaterMark: READ_BYTES, ...(signal !== undefined && { signal }) });
  if (!(await isGzip(file))) {
    yield* stream as AsyncIterable<Buffer>;
    return;
  }
  // Trouble of the one becomes that of the other.
  const unpacked = pipeline(stream, createGunzip({ chunkSize: READ_BYTES }), () => undefined);
  try {
    yield* unpacked as AsyncIterable<Buffer>;
  } catch (error) {
    if (!(error instanceof Error && "code" in error && String(error.code).startsWith("Z_"))) throw error;
    throw damaged(error.code === "Z_BUF_ERROR" ? "it was cut off: its end is missing" : "it cannot be decompressed");
  }
}

async function isGzip(file: string): Promise<boolean> {
  const handle = await open(file, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0);
    return bytesRead === GZIP.length && buffer.equals(GZIP);
  } finally {
    await handle.close();
  }
}

function foreign(): MoveError {
  return new MoveError("not-an-export", "This file is not an export of Maestro. `maestro export` makes one.");
}

function damaged(what: string): MoveError {
  return new MoveError("damaged", `The export is damaged: ${what}. Copy it again, or make a new one.`);
}

function headerOf(payload: Buffer): Header {
  const fields = fieldsOf(payload);
  const { format, installationId, storeEpoch, schema, months, build, exportedAt, postgresMajor } = fields;
  if (format !== FORMAT) {
    throw new MoveError(
      "other-format",
      `The export is written in format ${typeof format === "number" ? String(format) : "unknown"}, and this build reads format ${FORMAT}. Import it with the build that made it, or a newer one.`,
    );
  }
  if (
    !isId(installationId) ||
    !isCount(storeEpoch) ||
    !isCount(postgresMajor) ||
    typeof build !== "string" ||
    typeof exportedAt !== "string" ||
    !isListOf(months, (month): month is string => typeof month === "string" && /^\d{4}(0[1-9]|1[0-2])$/.test(month)) ||
    months.length > 2_400 ||
    !isListOf(schema, isSchemaStep)
  )
    throw damaged("its header makes no sense");
  return { format, installationId, storeEpoch, schema, months, build, exportedAt, postgresMajor };
}

function isSchemaStep(value: unknown): value is SchemaStep {
  if (typeof value !== "object" || value === null) return false;
  const { version, name, checksum } = value as Record<string, unknown>;
  return isCount(version) && typeof name === "string" && typeof checksum === "string";
}

function tableHeadOf(payload: Buffer): TableHead {
  const { name, columns } = fieldsOf(payload);
  if (typeof name !== "string" || !isListOf(columns, (column): column is string => typeof column === "string"))
    throw damaged("a table's beginning makes no sense");
  return { name, columns };
}

function tableTailOf(payload: Buffer): TableTail {
  const { rows, bytes, sha256 } = fieldsOf(payload);
  if (!isCount(rows) || !isCount(bytes) || typeof sha256 !== "string") throw damaged("a table's end makes no sense");
  return { rows, bytes, sha256 };
}

function endingOf(payload: Buffer): Ending {
  const { tables, sha256 } = fieldsOf(payload);
  if (!isCount(tables) || typeof sha256 !== "string") throw damaged("its end makes no sense");
  return { tables, sha256 };
}

/** Whether the rows are the same, and as many. */
export function sameTail(one: TableTail, other: TableTail): boolean {
  return one.rows === other.rows && one.bytes === other.bytes && one.sha256 === other.sha256;
}

function fieldsOf(payload: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(payload.toString("utf8"));
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw damaged("a part of it is not JSON");
}

function isListOf<T>(value: unknown, fits: (element: unknown) => element is T): value is T[] {
  return Array.isArray(value) && value.every(fits);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(value);
}
