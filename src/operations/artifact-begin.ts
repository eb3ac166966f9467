// Begins an upload, or takes up the caller's own of the same content. Content that the org has already needs none.
import type { Operation } from "../engine/operation.ts";
import {
  mayBegin,
  sizeContradiction,
  UPLOAD_LIFE_MS,
  USUAL_CHUNK_BYTES,
  USUAL_CONTENT_TYPE,
} from "../domain/artifact.ts";
import type { ArtifactLimits, KeptArtifact, Upload } from "../domain/artifact.ts";
import type { UploadId } from "../domain/id.ts";
import { viewOf } from "./artifact-view.ts";
import type { UploadView } from "./artifact-view.ts";
import { journaled, read } from "./done.ts";

export interface ArtifactBeginRequest {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly name: string;
  /** 0 for the usual. */
  readonly chunkBytes: number;
}

export type ArtifactBegun =
  { readonly kind: "there"; readonly artifact: KeptArtifact } | { readonly kind: "upload"; readonly view: UploadView };

export function artifactBegin(limits: ArtifactLimits): Operation<ArtifactBeginRequest, ArtifactBegun> {
  return async (tx, request, context) => {
    const { orgId, name: principal } = context.principal;
    const { digest, sizeBytes } = request;
    const there = (artifact: KeptArtifact) =>
      artifact.sizeBytes === sizeBytes
        ? read<ArtifactBegun>({ kind: "there", artifact })
        : sizeContradiction(artifact.sizeBytes, sizeBytes, "Declare the content's true size.");
    const known = await tx.artifacts.find(orgId, digest);
    if (known !== undefined) return there(known);
    const account = await tx.artifacts.lockAccount(orgId);
    // Whoever held the account may have finished it.
    const finished = await tx.artifacts.find(orgId, digest);
    if (finished !== undefined) return there(finished);
    const nowMs = await tx.nowMs();
    const expiresMs = nowMs + UPLOAD_LIFE_MS;
    const underWay = await tx.artifacts.findUploadOf(orgId, principal, digest);
    if (underWay !== undefined) {
      if (underWay.sizeBytes !== sizeBytes)
        return sizeContradiction(underWay.sizeBytes, sizeBytes, "Abort the upload under way if its size was wrong.");
      await tx.artifacts.extendUpload(orgId, underWay.uploadId, expiresMs);
      return read<ArtifactBegun>({ kind: "upload", view: await viewOf(tx, { ...underWay, expiresMs }) });
    }
    const allowed = mayBegin(sizeBytes, account, limits);
    if (!allowed.ok) return allowed;
    const upload: Upload = {
      orgId,
      uploadId: context.ids.uuid() as UploadId,
      principal,
      digest,
      sizeBytes,
      chunkBytes: request.chunkBytes === 0 ? USUAL_CHUNK_BYTES : request.chunkBytes,
      contentType: request.contentType === "" ? USUAL_CONTENT_TYPE : request.contentType,
      name: request.name,
      createdMs: nowMs,
      expiresMs,
    };
    await tx.artifacts.addUpload(upload);
    await tx.artifacts.saveAccount(orgId, { ...account, promisedBytes: account.promisedBytes + sizeBytes });
    return journaled<ArtifactBegun>(
      { kind: "upload", view: await viewOf(tx, upload) },
      {
        kind: "artifact.begin_upload",
        actor: principal,
        body: {
          upload: upload.uploadId,
          digest,
          size_bytes: sizeBytes,
          content_type: upload.contentType,
          name: upload.name,
        },
      },
    );
  };
}
