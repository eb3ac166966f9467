// The bytes of artifacts and uploads, apart from transactions: they are worked on beside the event loop, so that large content
// delays nobody. Comments are the contract. Not here: what is known of artifacts, see artifacts.ts.
import type { Upload } from "../../domain/artifact.ts";
import type { OrgId, UploadId } from "../../domain/id.ts";

/** Where a chunk is. */
export interface ChunkPlace {
  readonly orgId: OrgId;
  readonly contentId: UploadId;
  /** From 0, in the order of the content. */
  readonly place: number;
}

/** Where a part of a chunk is. */
export interface PartPlace extends ChunkPlace {
  readonly offset: number;
  /** Most bytes; fewer where the chunk ends before. */
  readonly length: number;
}

/** What became of a chunk: `other` when other bytes are at its place, `gone` when there is no such upload. */
export type Kept = "added" | "same" | "other" | "gone";

/** All of them throw what Store.transaction throws. */
export interface ContentStore {
  /** Keeps a chunk, durably, unless there is one at its place. Repeating it is harmless. Its bytes are handed over: they may be gone afterwards. */
  put(at: ChunkPlace, data: Uint8Array, signal?: AbortSignal): Promise<Kept>;
  get(at: PartPlace, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * The digest of a complete upload: of what came in order it is known, the rest is read. Undefined when that would take longer
   * than a moment: whoever asks again goes on where it was.
   */
  digest(upload: Upload, signal?: AbortSignal): Promise<string | undefined>;
  /** The upload was ended. */
  forget(uploadId: UploadId): void;
}
