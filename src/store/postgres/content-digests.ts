// Digests of uploads as they come in: how far each was hashed by this server. Memory only: what was not hashed here is read from
// the store when the upload is finished. Not here: chunks.
import { createHash } from "node:crypto";
import type { Hash } from "node:crypto";
import type { UploadId } from "../../domain/id.ts";

/** Uploads that are kept in mind; of more, the one that has rested longest is read again. */
const KEPT = 1_024;

interface Progress {
  readonly hash: Hash;
  /** Chunks hashed, from the first on without a gap. */
  chunks: number;
}

export class ContentDigests {
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

  /**
   * The digest of so many chunks; undefined when `stop` said so before the last one. Chunks never change, so nothing need be locked;
   * one that was cut off is gone on with by the next.
   */
  async of(
    uploadId: UploadId,
    chunks: number,
    read: (place: number) => Promise<Uint8Array | undefined>,
    stop: () => boolean,
  ): Promise<string | undefined> {
    const progress = this.#take(uploadId);
    try {
      for (; progress.chunks < chunks; progress.chunks += 1) {
        if (stop()) return undefined;
        const data = await read(progress.chunks);
        if (data === undefined) throw new Error("a chunk of a complete upload is gone");
        progress.hash.update(data);
      }
      return `sha256:${progress.hash.copy().digest("hex")}`;
    } finally {
      this.#keep(uploadId, progress);
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
