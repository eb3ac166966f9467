// Makes an artifact of a complete upload whose content has the digest that was declared. Any other is dropped.
import type { Done, Operation } from "../engine/operation.ts";
import { chunkCount, incomplete, wrongDigest } from "../domain/artifact.ts";
import type { ArtifactAccount, KeptArtifact, Upload } from "../domain/artifact.ts";
import type { UploadId } from "../domain/id.ts";
import type { Principal } from "../domain/principal.ts";
import { notFound } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { ContentStore } from "../store/ports/contents.ts";
import type { Tx } from "../store/ports/store.ts";
import type { ArtifactUploadRequest } from "./artifact-upload-get.ts";
import { own } from "./artifact-view.ts";
import { journaled, read } from "./done.ts";

export function artifactFinish(
  contents: Pick<ContentStore, "digest" | "forget">,
): Operation<ArtifactUploadRequest, KeptArtifact> {
  return async (tx, { uploadId }, context) => {
    const { orgId, name: actor } = context.principal;
    const found = own(await tx.artifacts.findUpload(orgId, uploadId), actor, uploadId);
    if (!found.ok) return (await finishedBefore(tx, context.principal, uploadId)) ?? found;
    const upload = found.value;
    const gone = async (): Promise<Decision<Done<KeptArtifact>>> =>
      (await finishedBefore(tx, context.principal, uploadId, upload.digest)) ?? notFound("upload", uploadId);
    // Before anything is locked: it may take seconds. Content that the org got meanwhile needs no proof.
    let digest: string | undefined = upload.digest;
    if ((await tx.artifacts.find(orgId, upload.digest)) === undefined) {
      const { gaps } = await tx.artifacts.received(orgId, uploadId, chunkCount(upload));
      const [gap] = gaps;
      if (gap !== undefined) return incomplete(uploadId, gap.from * upload.chunkBytes);
      digest = await contents.digest(upload, context.signal);
      while (digest === undefined) {
        // What takes long is asked for in parts: a transaction that says nothing for half a minute is ended by the database.
        if ((await tx.artifacts.findUpload(orgId, uploadId)) === undefined) return gone();
        digest = await contents.digest(upload, context.signal);
      }
    }
    const account = await tx.artifacts.lockAccount(orgId);
    if ((await tx.artifacts.lockUpload(orgId, uploadId, "change")) === undefined) return gone();
    const afterCommit = (): void => {
      contents.forget(uploadId);
    };
    if (digest !== upload.digest) {
      // Kept, it could never be finished, and whoever begins anew would be told to send nothing. The refusal is its record.
      await dropUpload(tx, upload, account);
      afterCommit();
      return wrongDigest(upload.digest, digest);
    }
    const before = await tx.artifacts.find(orgId, digest);
    const artifact = before ?? {
      orgId,
      digest,
      sizeBytes: upload.sizeBytes,
      contentType: upload.contentType,
      name: upload.name,
      createdMs: await tx.nowMs(),
      createdBy: actor,
      contentId: uploadId,
      chunkBytes: upload.chunkBytes,
    };
    if (before === undefined) {
      await tx.artifacts.add(artifact);
      await tx.artifacts.endUpload(orgId, uploadId, "kept", await tx.nowMs());
      await tx.artifacts.saveAccount(orgId, {
        keptBytes: account.keptBytes + upload.sizeBytes,
        promisedBytes: account.promisedBytes - upload.sizeBytes,
      });
    } else {
      await dropUpload(tx, upload, account);
    }
    const body = { upload: uploadId, digest, size_bytes: upload.sizeBytes, there_before: before !== undefined };
    return journaled(artifact, { kind: "artifact.finish_upload", actor, body }, { afterCommit });
  };
}

/**
 * The same call came before, and its answer was lost or is on its way: what it made is the answer, once more and without a record. Of
 * an upload that was known to this call a moment ago, its content as well, whoever brought it.
 */
async function finishedBefore(
  tx: Tx,
  { orgId, name }: Pick<Principal, "orgId" | "name">,
  uploadId: UploadId,
  digest?: string,
): Promise<Decision<Done<KeptArtifact>> | undefined> {
  const brought = await tx.artifacts.findBroughtBy(orgId, uploadId);
  if (brought?.createdBy === name) return read(brought);
  const there = digest === undefined ? undefined : await tx.artifacts.find(orgId, digest);
  return there === undefined ? undefined : read(there);
}

/** Ends an upload whose content is not wanted. The account must be locked, and is saved. */
export async function dropUpload(tx: Tx, upload: Upload, account: ArtifactAccount): Promise<void> {
  const { orgId, uploadId, sizeBytes } = upload;
  await tx.artifacts.endUpload(orgId, uploadId, "dropped", await tx.nowMs());
  await tx.artifacts.saveAccount(orgId, { ...account, promisedBytes: account.promisedBytes - sizeBytes });
}
