// gzip (RFC 1952) of one member that is always the same for the same bytes, and a reader that takes nothing else: no names, no times, no
// second member, nothing behind it, and never more than was bargained for. Not here: what is compressed.
import { pipeline } from "node:stream/promises";
import { crc32, createDeflateRaw, createInflateRaw } from "node:zlib";
import { ArchiveError } from "./tar.ts";

/** Magic, deflate, no flags, no time, no hint, no particular system. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
const TRAILER_BYTES = 8;
const CHUNK_BYTES = 131_072;

export interface GunzipLimits {
  /** Most bytes, unpacked. */
  readonly bytes: number;
  /** Most bytes that one packed byte becomes, once `freeBytes` are exceeded. */
  readonly ratio: number;
  readonly freeBytes: number;
}

export async function* gzip(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const counted = counting(bytes);
  yield HEADER;
  yield* through(createDeflateRaw({ chunkSize: CHUNK_BYTES }), counted.bytes);
  yield counted.trailer();
}

/** Throws ArchiveError. Readers that stop early end it. */
export async function* gunzip(bytes: AsyncIterable<Uint8Array>, limits: GunzipLimits): AsyncGenerator<Uint8Array> {
  const packed = withoutFrame(bytes);
  const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
  const unpacked = counting(through(inflate, packed.bytes));
  try {
    for await (const chunk of unpacked.bytes) {
      const size = unpacked.size();
      if (size > limits.bytes)
        throw new ArchiveError(`unpacked it has more than the ${String(limits.bytes)} bytes that it may have`);
      if (size > limits.freeBytes && size > limits.ratio * packed.size())
        throw new ArchiveError(`it unpacks to more than ${String(limits.ratio)} times its size`);
      yield chunk;
    }
  } catch (error) {
    // Whatever else is thrown is trouble with reading it.
    if (!isZlibError(error)) throw error;
    throw new ArchiveError("it is broken off, or its bytes are others than they were");
  }
  if (inflate.bytesWritten !== packed.size()) throw new ArchiveError("something follows its end");
  if (!unpacked.trailer().equals(packed.trailer())) throw new ArchiveError("its check sum is another one");
}

/** Among them that it was over before what it was given. */
function isZlibError(error: unknown): boolean {
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  return code.startsWith("Z_") || code === "ERR_STREAM_PREMATURE_CLOSE";
}

type Zlib = ReturnType<typeof createDeflateRaw> | ReturnType<typeof createInflateRaw>;

async function* through(zlib: Zlib, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const fed = pipeline(bytes, zlib);
  // What goes wrong is told by the loop below.
  fed.catch(() => undefined);
  try {
    for await (const chunk of zlib) yield chunk as Uint8Array;
    await fed;
  } finally {
    zlib.destroy();
  }
}

/** Bytes on their way, with what a trailer says of all of them. */
function counting(bytes: AsyncIterable<Uint8Array>) {
  let sum = 0;
  let size = 0;
  return {
    bytes: (async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of bytes) {
        sum = crc32(chunk, sum);
        size += chunk.length;
        yield chunk;
      }
    })(),
    size: () => size,
    trailer: (): Buffer => {
      const trailer = Buffer.alloc(TRAILER_BYTES);
      trailer.writeUInt32LE(sum, 0);
      trailer.writeUInt32LE(size % 2 ** 32, 4);
      return trailer;
    },
  };
}

/** What is between header and trailer; the last bytes are held back until it is known that they are the last. */
function withoutFrame(bytes: AsyncIterable<Uint8Array>) {
  let held = Buffer.alloc(0);
  let size = 0;
  return {
    bytes: (async function* (): AsyncGenerator<Uint8Array> {
      let isBegun = false;
      for await (const chunk of bytes) {
        held = Buffer.concat([held, chunk]);
        if (!isBegun) {
          if (held.length < HEADER.length) continue;
          if (!held.subarray(0, HEADER.length).equals(HEADER))
            throw new ArchiveError("it does not begin as exported packs do: it is something else, or was packed again");
          held = held.subarray(HEADER.length);
          isBegun = true;
        }
        const inner = held.subarray(0, Math.max(0, held.length - TRAILER_BYTES));
        if (inner.length === 0) continue;
        held = Buffer.from(held.subarray(inner.length));
        size += inner.length;
        yield inner;
      }
      if (!isBegun || held.length < TRAILER_BYTES) throw new ArchiveError("it ends before it is complete");
    })(),
    size: () => size,
    trailer: (): Buffer => held,
  };
}
