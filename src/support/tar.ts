// Archives of plain files: ustar (POSIX.1-1988) as we write it, and a reader that takes nothing else. A reader of any archive would have
// to bear long names, links, sparse files and headers of any size; this one compares each header with the only one that it can be.
// Not here: compression, see gzip.ts; what is in the files.

/** A file on its way. All of its bytes are taken before the next file. */
export interface TarFile {
  readonly name: string;
  readonly size: number;
  readonly chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface TarLimits {
  readonly files: number;
  /** Most bytes of a file of that name; undefined when there may be none such. */
  readonly sizeOf: (name: string) => number | undefined;
}

/** An archive that is none, or none of ours: what is wrong, for people. */
export class ArchiveError extends Error {}

const BLOCK = 512;
const ZEROS = Buffer.alloc(BLOCK);
const NAME_BYTES = 100;
const SEGMENT = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
/** Eleven octal digits. */
const MOST_SIZE = 0o77777777777;

/** Files in their order; the same files give the same bytes. Throws when a file's bytes are not as many as was said. */
export async function* writeTar(files: AsyncIterable<TarFile>): AsyncGenerator<Uint8Array> {
  for await (const { name, size, chunks } of files) {
    yield headerOf(name, size);
    let left = size;
    for await (const chunk of chunks) {
      left -= chunk.length;
      if (left < 0) break;
      yield chunk;
    }
    if (left !== 0) throw new Error(`${name} does not have the ${String(size)} bytes that were said`);
    const padding = paddingOf(size);
    if (padding > 0) yield ZEROS.subarray(0, padding);
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** The files of an archive, each once, in order. Throws ArchiveError. */
export async function* readTar(bytes: AsyncIterable<Uint8Array>, limits: TarLimits): AsyncGenerator<TarFile> {
  const source = byteSource(bytes);
  const seen = new Set<string>();
  for (;;) {
    const header = await source.exactly(BLOCK);
    if (header.equals(ZEROS)) break;
    const name = header.toString("latin1", 0, NAME_BYTES).replace(/\0.*$/s, "");
    const size = Number.parseInt(header.toString("latin1", 124, 135), 8);
    if (!isName(name) || !Number.isSafeInteger(size) || size < 0 || !headerOf(name, size).equals(header))
      throw new ArchiveError(`the header after ${[...seen].at(-1) ?? "the beginning"} is not that of a plain file`);
    if (seen.has(name)) throw new ArchiveError(`${name} is there twice`);
    seen.add(name);
    if (seen.size > limits.files) throw new ArchiveError(`there are more than ${String(limits.files)} files`);
    const most = limits.sizeOf(name);
    if (most === undefined) throw new ArchiveError(`${name} does not belong there`);
    if (size > most)
      throw new ArchiveError(`${name} has ${String(size)} bytes, and may have ${String(most)} at the most`);
    let taken = 0;
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      while (taken < size) {
        const chunk = await source.atMost(size - taken);
        taken += chunk.length;
        yield chunk;
      }
    };
    yield { name, size, chunks: chunks() };
    if (taken !== size) throw new Error(`${name} was not read to its end`);
    if (!isZero(await source.exactly(paddingOf(size)))) throw new ArchiveError(`what fills up ${name} is not empty`);
  }
  if (!isZero(await source.exactly(BLOCK))) throw new ArchiveError("it does not end as an archive does");
  if (!(await source.isOver())) throw new ArchiveError("something follows its end");
}

/** The one header that a file of that name and size has: nobody's, of no time, readable by all. */
function headerOf(name: string, size: number): Buffer {
  if (!isName(name) || size > MOST_SIZE) throw new Error(`no file of ours is named ${name}`);
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, "0")}\0`;
  header.write(name, 0, "latin1");
  header.write(octal(0o644, 7), 100, "latin1");
  header.write(octal(0, 7), 108, "latin1");
  header.write(octal(0, 7), 116, "latin1");
  header.write(octal(size, 11), 124, "latin1");
  header.write(octal(0, 11), 136, "latin1");
  // The sum of all bytes, its own eight counted as blanks.
  header.write(`        0`, 148, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  header.write(octal(0, 7), 329, "latin1");
  header.write(octal(0, 7), 337, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

function isName(name: string): boolean {
  return name.length <= NAME_BYTES - 1 && name.split("/").every((segment) => SEGMENT.test(segment));
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function isZero(bytes: Buffer): boolean {
  return bytes.equals(ZEROS.subarray(0, bytes.length));
}

/** Bytes of a source in pieces of the reader's own measure. Holds what the source gave last, and no more. */
function byteSource(bytes: AsyncIterable<Uint8Array>) {
  const iterator = bytes[Symbol.asyncIterator]();
  let rest: Uint8Array = ZEROS.subarray(0, 0);
  const refill = async (): Promise<boolean> => {
    while (rest.length === 0) {
      const next = await iterator.next();
      if (next.done === true) return false;
      rest = next.value;
    }
    return true;
  };
  const atMost = async (length: number): Promise<Uint8Array> => {
    if (!(await refill())) throw new ArchiveError("it ends before it is complete");
    const piece = rest.subarray(0, length);
    rest = rest.subarray(piece.length);
    return piece;
  };
  return {
    atMost,
    exactly: async (length: number): Promise<Buffer> => {
      const whole = Buffer.alloc(length);
      for (let at = 0; at < length;) {
        const piece = await atMost(length - at);
        whole.set(piece, at);
        at += piece.length;
      }
      return whole;
    },
    isOver: async (): Promise<boolean> => !(await refill()),
  };
}
