// Content for the tests of artifacts, and how a client without our library puts and gets it. Not here: expectations.
import { createHash } from "node:crypto";
import type { Client } from "@connectrpc/connect";
import type { Artifact, Upload } from "../../gen/maestro/v1/artifact_pb.ts";
import type { ArtifactService, BeginUploadResponse } from "../../gen/maestro/v1/artifact_service_pb.ts";

export type Artifacts = Client<typeof ArtifactService>;

/** The smallest chunk that uploads are cut into. */
export const CHUNK = 65_536;

/** Bytes that compress badly and differ from one place to the next. */
export function contentOf(sizeBytes: number, seed = 1): Buffer {
  const content = Buffer.alloc(sizeBytes);
  let state = seed >>> 0 || 1;
  const words = new Uint32Array(content.buffer, content.byteOffset, Math.floor(sizeBytes / 4));
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return content;
}

export function digestOf(content: Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

export function uploadOf({ result }: BeginUploadResponse): Upload {
  if (result.case !== "upload") throw new Error("there was nothing to send");
  return result.value;
}

export async function sendMissing(client: Artifacts, upload: Upload, content: Buffer): Promise<void> {
  for (const { offset, sizeBytes } of upload.missing) {
    for (let at = Number(offset); at < Number(offset + sizeBytes); at += upload.chunkBytes)
      await client.uploadChunk({
        uploadId: upload.uploadId,
        offset: BigInt(at),
        data: content.subarray(at, at + upload.chunkBytes),
      });
  }
}

export async function put(client: Artifacts, content: Buffer, name = ""): Promise<Artifact> {
  const begun = await client.beginUpload({
    digest: digestOf(content),
    sizeBytes: BigInt(content.length),
    chunkBytes: CHUNK,
    name,
  });
  if (begun.result.case === "artifact") return begun.result.value;
  const upload = uploadOf(begun);
  await sendMissing(client, upload, content);
  const { artifact } = await client.finishUpload({ uploadId: upload.uploadId });
  if (artifact === undefined) throw new Error("no artifact");
  return artifact;
}
