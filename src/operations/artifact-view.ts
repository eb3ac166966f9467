// An upload with what is missing of it, as answers show it; and finding one's own. Not here: what is done with uploads.
import { chunkCount } from "../domain/artifact.ts";
import type { Upload } from "../domain/artifact.ts";
import { notFound } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { Tx } from "../store/ports/store.ts";

export interface Stretch {
  readonly offset: number;
  readonly sizeBytes: number;
}

export interface UploadView {
  readonly upload: Upload;
  readonly receivedBytes: number;
  readonly missing: readonly Stretch[];
}

export async function viewOf(tx: Tx, upload: Upload): Promise<UploadView> {
  const { orgId, uploadId, chunkBytes, sizeBytes } = upload;
  const { bytes, gaps } = await tx.artifacts.received(orgId, uploadId, chunkCount(upload));
  return {
    upload,
    receivedBytes: bytes,
    missing: gaps.map(({ from, to }) => ({
      offset: from * chunkBytes,
      sizeBytes: Math.min(to * chunkBytes, sizeBytes) - from * chunkBytes,
    })),
  };
}

/** An upload is its principal's: to everybody else it does not exist. */
export function own(upload: Upload | undefined, principal: string, uploadId: string): Decision<Upload> {
  return upload?.principal === principal ? { ok: true, value: upload } : notFound("upload", uploadId);
}
