// Takes one chunk of an upload. The record of the whole upload is the finish's: a chunk decides nothing.
import type { Operation } from "../engine/operation.ts";
import { chunkAt, otherChunk, UPLOAD_LIFE_MS } from "../domain/artifact.ts";
import type { UploadId } from "../domain/id.ts";
import { decided, notFound } from "../domain/refusal.ts";
import type { ContentStore, Kept } from "../store/ports/contents.ts";
import { own } from "./artifact-view.ts";

export interface ArtifactChunkRequest {
  readonly uploadId: UploadId;
  readonly offset: number;
  readonly sizeBytes: number;
  /** Handed over to the store: gone once it was put. */
  readonly data: Uint8Array;
}

/** An upload's time is not written again for less than this, ms: chunks that come together would wait for each other. */
const EXTEND_MS = 60_000;

export function artifactChunk(
  contents: Pick<ContentStore, "put">,
): Operation<ArtifactChunkRequest, { readonly nextOffset: number }> {
  /** What became of the bytes of calls that are under way: a transaction that is tried again has them no more. */
  const kept = new WeakMap<ArtifactChunkRequest, Promise<Kept>>();
  return async (tx, request, context) => {
    const { uploadId, offset, sizeBytes, data } = request;
    const { orgId, name } = context.principal;
    const [found, nowMs] = await Promise.all([tx.artifacts.findUpload(orgId, uploadId), tx.nowMs()]);
    const upload = own(found, name, uploadId);
    if (!upload.ok) return upload;
    const place = chunkAt(upload.value, offset, sizeBytes);
    if (!place.ok) return place;
    // Durable from here on, whatever becomes of this transaction: who sends it again is told the same.
    const at = { orgId, contentId: uploadId, place: place.value };
    const putting = kept.get(request) ?? contents.put(at, data, context.signal);
    kept.set(request, putting);
    const what = await putting;
    if (what === "gone") return notFound("upload", uploadId);
    if (what === "other") return otherChunk(offset);
    const expiresMs = nowMs + UPLOAD_LIFE_MS;
    if (expiresMs > upload.value.expiresMs + EXTEND_MS) await tx.artifacts.extendUpload(orgId, uploadId, expiresMs);
    return decided({ value: { nextOffset: offset + sizeBytes }, recordId: null });
  };
}
