// Takes one chunk of an upload. The record of the whole upload is the finish's: a chunk decides nothing.
import type { Operation } from "../engine/operation.ts";
import { chunkAt, otherChunk, UPLOAD_LIFE_MS } from "../domain/artifact.ts";
import type { UploadId } from "../domain/id.ts";
import { decided } from "../domain/refusal.ts";
import type { ArtifactHashes } from "./artifact-hashes.ts";
import { own } from "./artifact-view.ts";

export interface ArtifactChunkRequest {
  readonly uploadId: UploadId;
  readonly offset: number;
  readonly data: Uint8Array;
}

/** An upload's time is not written again for less than this, ms: chunks that come together would wait for each other. */
const EXTEND_MS = 60_000;

export function artifactChunk(
  hashes: ArtifactHashes,
): Operation<ArtifactChunkRequest, { readonly nextOffset: number }> {
  return async (tx, { uploadId, offset, data }, context) => {
    const { orgId, name } = context.principal;
    const upload = own(await tx.artifacts.lockUpload(orgId, uploadId, "share"), name, uploadId);
    if (!upload.ok) return upload;
    const place = chunkAt(upload.value, offset, data.length);
    if (!place.ok) return place;
    const [kept, nowMs] = await Promise.all([tx.artifacts.addChunk(orgId, uploadId, place.value, data), tx.nowMs()]);
    if (kept === "other") return otherChunk(offset);
    const expiresMs = nowMs + UPLOAD_LIFE_MS;
    if (expiresMs > upload.value.expiresMs + EXTEND_MS) await tx.artifacts.extendUpload(orgId, uploadId, expiresMs);
    return decided({
      value: { nextOffset: offset + data.length },
      recordId: null,
      afterCommit: () => {
        hashes.added(uploadId, place.value, data);
      },
    });
  };
}
