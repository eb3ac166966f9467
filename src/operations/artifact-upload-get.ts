// Says how far an upload is.
import type { Operation } from "../engine/operation.ts";
import type { UploadId } from "../domain/id.ts";
import { own, viewOf } from "./artifact-view.ts";
import type { UploadView } from "./artifact-view.ts";
import { read } from "./done.ts";

export interface ArtifactUploadRequest {
  readonly uploadId: UploadId;
}

export const artifactUploadGet: Operation<ArtifactUploadRequest, UploadView> = async (tx, { uploadId }, context) => {
  const { orgId, name } = context.principal;
  const upload = own(await tx.artifacts.findUpload(orgId, uploadId), name, uploadId);
  return upload.ok ? read(await viewOf(tx, upload.value)) : upload;
};
