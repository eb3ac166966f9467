// Puts a file into Maestro's keeping: begins an upload, or takes it up, sends what is missing, finishes it. Not here: executors'
// uploads, which outlive servers.
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import type { Artifact, Upload } from "../../gen/maestro/v1/artifact_pb.ts";
import type { ServerClient } from "./client.ts";
import { unreadable } from "./unreadable-file.ts";

const CHUNK_BYTES = 1_048_576;

/** The same content is kept once: what is there already is not sent. */
export async function upload(
  client: ServerClient,
  path: string,
  about: { readonly name: string; readonly contentType: string },
  signal: AbortSignal,
): Promise<Artifact> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw unreadable(path, error);
  });
  try {
    const { digest, sizeBytes } = await summed(path, file, signal);
    const begin = { digest, sizeBytes: BigInt(sizeBytes), chunkBytes: CHUNK_BYTES, ...about };
    const { result } = await client.artifacts.beginUpload(begin, { signal });
    if (result.case === "artifact") return result.value;
    if (result.case === undefined) throw new Error("the server began no upload");
    const { uploadId } = result.value;
    // The server tells the first hundred stretches that are missing.
    for (let now: Upload | undefined = result.value; now !== undefined && now.missing.length > 0;) {
      await send(client, file, now, sizeBytes, signal);
      now = (await client.artifacts.getUpload({ uploadId }, { signal })).upload;
    }
    const finish = { uploadId, idempotencyKey: client.newKey() };
    const { artifact } = await client.artifacts.finishUpload(finish, { signal });
    if (artifact === undefined) throw new Error("the server does not say what became of the upload");
    return artifact;
  } finally {
    await file.close();
  }
}

async function summed(
  path: string,
  file: FileHandle,
  signal: AbortSignal,
): Promise<{ digest: string; sizeBytes: number }> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let sizeBytes = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, sizeBytes).catch((error: unknown) => {
      throw unreadable(path, error);
    });
    if (bytesRead === 0) return { digest: `sha256:${hash.digest("hex")}`, sizeBytes };
    hash.update(buffer.subarray(0, bytesRead));
    sizeBytes += bytesRead;
  }
}

/** One after the other: the server verifies what comes in order on the way. A file that changed meanwhile has another digest. */
async function send(
  client: ServerClient,
  file: FileHandle,
  { uploadId, missing, chunkBytes }: Upload,
  sizeBytes: number,
  signal: AbortSignal,
): Promise<void> {
  for (const stretch of missing) {
    const end = Number(stretch.offset + stretch.sizeBytes);
    for (let at = Number(stretch.offset); at < end; at += chunkBytes) {
      const data = Buffer.alloc(Math.min(chunkBytes, sizeBytes - at));
      await file.read(data, 0, data.length, at);
      await client.artifacts.uploadChunk({ uploadId, offset: BigInt(at), data }, { signal });
    }
  }
}
