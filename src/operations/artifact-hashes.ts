// Digests of uploads as they come in: how far each was hashed by this server. Memory only: what was not hashed here is read from
// the store when the upload is finished. Not here: chunks.
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import { chunkCount } from "../domain/artifact.ts";
import type { Upload } from "../domain/artifact.ts";
import type { UploadId } from "../domain/id.ts";
import type { Tx } from "../store/ports/store.ts";

/** Uploads that are kept in mind; of more, the one that has rested longest is read again. */
const KEPT = 1_024;

interface Progress {
  readonly hash: Hash;
  /** Chunks hashed, from the first on without a gap. */
  chunks: number;
}

export class ArtifactHashes {
  readonly #progress = new Map<UploadId, Progress>();

  /** A chunk is durable. One that comes out of order is left to be read later. */
  added(uploadId: UploadId, place: number, data: Uint8Array): void {
    const progress = this.#take(uploadId);
    if (progress.chunks === place) {
      progress.hash.update(data);
      progress.chunks += 1;
    }
    if (progress.chunks > 0) this.#keep(uploadId, progress);
  }

  forget(uploadId: UploadId): void {
    this.#progress.delete(uploadId);
  }

  /** The digest of a complete upload. Chunks never change, so it need not be locked; a call that is cut off is gone on with by the next. */
  async digestOf(tx: Tx, upload: Upload): Promise<string> {
    const progress = this.#take(upload.uploadId);
    try {
      for (const all = chunkCount(upload); progress.chunks < all; progress.chunks += 1) {
        const data = await tx.artifacts.chunk(upload.orgId, upload.uploadId, progress.chunks);
        if (data === undefined) throw new Error("a chunk of a complete upload is gone");
        progress.hash.update(data);
      }
      return `sha256:${progress.hash.copy().digest("hex")}`;
    } finally {
      this.#keep(upload.uploadId, progress);
    }
  }

  /** Taken out while it is worked on: of two who finish an upload at once, the second begins at the beginning. */
  #take(uploadId: UploadId): Progress {
    const progress = this.#progress.get(uploadId) ?? { hash: createHash("sha256"), chunks: 0 };
    this.#progress.delete(uploadId);
    return progress;
  }

  #keep(uploadId: UploadId, progress: Progress): void {
    const other = this.#progress.get(uploadId);
    if (other !== undefined && other.chunks > progress.chunks) return;
    this.#progress.delete(uploadId);
    this.#progress.set(uploadId, progress);
    const [oldest] = this.#progress.keys();
    if (this.#progress.size > KEPT && oldest !== undefined) this.#progress.delete(oldest);
  }
}
