// Gives an upload up; what was sent is swept.
import type { Operation } from "../engine/operation.ts";
import { dropUpload } from "./artifact-finish.ts";
import type { ArtifactUploadRequest } from "./artifact-upload-get.ts";
import { own } from "./artifact-view.ts";
import type { ContentStore } from "../store/ports/contents.ts";
import { journaled } from "./done.ts";

export function artifactAbort(contents: Pick<ContentStore, "forget">): Operation<ArtifactUploadRequest, null> {
  return async (tx, { uploadId }, context) => {
    const { orgId, name: actor } = context.principal;
    const account = await tx.artifacts.lockAccount(orgId);
    const upload = own(await tx.artifacts.lockUpload(orgId, uploadId, "change"), actor, uploadId);
    if (!upload.ok) return upload;
    await dropUpload(tx, upload.value, account);
    const afterCommit = (): void => {
      contents.forget(uploadId);
    };
    const body = { upload: uploadId, digest: upload.value.digest };
    return journaled(null, { kind: "artifact.abort_upload", actor, body }, { afterCommit });
  };
}
