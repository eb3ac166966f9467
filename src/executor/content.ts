// Content on its way out: how long it is, its digest, and its bytes from any place, as often as they are asked for. What comes as a
// stream waits in a temporary file meanwhile. Not here: who sends it where.
import { createHash } from "node:crypto";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";

export interface Content {
  readonly sizeBytes: number;
  /** `sha256:…`. */
  readonly digest: string;
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Removes what it was kept in. */
  end(): Promise<void>;
}

/** Bytes hashed in one turn of the event loop, some 1 ms. */
const SLICE_BYTES = 1_048_576;

/** Bytes must not change until it has ended. */
export async function contentOf(source: Uint8Array | AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Content> {
  return source instanceof Uint8Array ? inMemory(source, signal) : inFile(source, signal);
}

async function inMemory(bytes: Uint8Array, signal: AbortSignal): Promise<Content> {
  const hash = createHash("sha256");
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) await nextTurn(undefined, { signal });
    hash.update(bytes.subarray(at, at + SLICE_BYTES));
  }
  return {
    sizeBytes: bytes.length,
    digest: `sha256:${hash.digest("hex")}`,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
    end: async () => undefined,
  };
}

async function inFile(source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<Content> {
  const folder = await mkdtemp(join(tmpdir(), "maestro-artifact-"));
  const removed = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const file = await open(join(folder, "content"), "wx+", 0o600);
    const end = async (): Promise<void> => {
      await file.close();
      await removed();
    };
    try {
      const hash = createHash("sha256");
      let sizeBytes = 0;
      for await (const bytes of source) {
        signal.throwIfAborted();
        hash.update(bytes);
        for (let written = 0; written < bytes.length;)
          written += (await file.write(bytes, written, bytes.length - written, sizeBytes + written)).bytesWritten;
        sizeBytes += bytes.length;
      }
      const read = async (offset: number, length: number): Promise<Uint8Array> => {
        const bytes = Buffer.allocUnsafe(length);
        let got = 0;
        while (got < length) {
          const { bytesRead } = await file.read(bytes, got, length - got, offset + got);
          if (bytesRead === 0) throw new Error("the temporary file of an artifact was cut");
          got += bytesRead;
        }
        return bytes;
      };
      return { sizeBytes, digest: `sha256:${hash.digest("hex")}`, read, end };
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    await removed();
    throw error;
  }
}
