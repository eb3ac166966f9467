// What becomes of uploads that nobody goes on with, and of content that nobody refers to. Run by a background loop on every server;
// they do not get into each other's way. Not here: how often.
import type { OrgId, SessionId, UploadId } from "../domain/id.ts";
import type { Store, Tx } from "../store/ports/store.ts";
import { dropUpload } from "./artifact-finish.ts";

/** Entries that one look finds; the next one goes on. */
const AT_ONCE = 100;
/** Chunks deleted in one transaction, at most 64 MiB: none takes long. */
const CHUNKS_EACH = 64;

export interface Swept {
  readonly uploads: number;
  readonly contents: number;
}

/** Ends between two transactions when the signal fires; another look goes on. */
export async function sweepArtifacts(store: Store, sessionId: () => SessionId, signal?: AbortSignal): Promise<Swept> {
  let uploads = 0;
  for (const { orgId, contentId } of await store.platform.expiredUploads(AT_ONCE))
    if (await store.transaction([orgId], (tx) => giveUp(tx, orgId, contentId, sessionId()))) uploads += 1;
  const wasted = await store.platform.wastedContents(AT_ONCE);
  for (const { orgId, contentId } of wasted) {
    const some = (): Promise<boolean> =>
      store.transaction([orgId], (tx) => tx.artifacts.sweep(orgId, contentId, CHUNKS_EACH));
    while (signal?.aborted !== true && !(await some()));
  }
  return { uploads, contents: wasted.length };
}

async function giveUp(tx: Tx, orgId: OrgId, uploadId: UploadId, sessionId: SessionId): Promise<boolean> {
  const account = await tx.artifacts.lockAccount(orgId);
  const upload = await tx.artifacts.lockUpload(orgId, uploadId, "change");
  const nowMs = await tx.nowMs();
  // Somebody may have gone on with it, or given it up, since it was found.
  if (upload === undefined || upload.expiresMs > nowMs) return false;
  await dropUpload(tx, upload, account);
  const { digest, principal, sizeBytes } = upload;
  const body = { upload: uploadId, digest, principal, size_bytes: sizeBytes };
  await tx.records.appendJournal(
    orgId,
    sessionId,
    [{ kind: "artifact.upload_expired", actor: "maestro", body }],
    nowMs,
  );
  return true;
}
