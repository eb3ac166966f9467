// Artifacts in the store: content in chunks, uploads under way, and what an org's take. Whoever changes what an org has locks its
// account first; then uploads and artifacts.
import type { ArtifactAccount, KeptArtifact, Upload } from "../../domain/artifact.ts";
import type { OrgId, PlanId, UploadId } from "../../domain/id.ts";
import type { PageRequest } from "./paging.ts";

/** Places of chunks, the second exclusive. */
export interface Gap {
  readonly from: number;
  readonly to: number;
}

export interface Received {
  readonly bytes: number;
  /** The first of those that are not there; at most 100. */
  readonly gaps: readonly Gap[];
}

export interface ArtifactRepository {
  /** The org's account, locked until the transaction ends; made if it is missing. */
  lockAccount(orgId: OrgId): Promise<ArtifactAccount>;
  saveAccount(orgId: OrgId, account: ArtifactAccount): Promise<void>;

  find(orgId: OrgId, digest: string): Promise<KeptArtifact | undefined>;
  /** The artifact whose content an upload brought. */
  findBroughtBy(orgId: OrgId, uploadId: UploadId): Promise<KeptArtifact | undefined>;
  /** Newest first; sort key [created_ms, digest]. */
  list(orgId: OrgId, page: PageRequest): Promise<readonly KeptArtifact[]>;
  add(artifact: KeptArtifact): Promise<void>;
  /** As `find`; nobody can begin to use it until the transaction ends. */
  lock(orgId: OrgId, digest: string): Promise<KeptArtifact | undefined>;
  /** Removes an artifact and what is known of its uses; its content is left to be swept. */
  remove(artifact: KeptArtifact, nowMs: number): Promise<void>;
  /** Notes that a plan uses these; gives the sizes of those that the org has. What is noted cannot be deleted before the plan has ended. */
  use(orgId: OrgId, planId: PlanId, digests: readonly string[]): Promise<ReadonlyMap<string, number>>;
  /** A plan that uses it and has not ended, if there is one. */
  openUse(orgId: OrgId, digest: string): Promise<PlanId | undefined>;

  findUpload(orgId: OrgId, uploadId: UploadId): Promise<Upload | undefined>;
  /** As `findUpload`, locked: `share` keeps it from being removed, `change` is for whoever removes it. */
  lockUpload(orgId: OrgId, uploadId: UploadId, how: "share" | "change"): Promise<Upload | undefined>;
  findUploadOf(orgId: OrgId, principal: string, digest: string): Promise<Upload | undefined>;
  addUpload(upload: Upload): Promise<void>;
  extendUpload(orgId: OrgId, uploadId: UploadId, expiresMs: number): Promise<void>;
  /** Forgets the upload. Its chunks become an artifact's, or are left to be swept. */
  endUpload(orgId: OrgId, uploadId: UploadId, content: "kept" | "dropped", nowMs: number): Promise<void>;

  /** Adds a chunk unless there is one at its place; `other` when that has other bytes. The upload must be locked. */
  addChunk(orgId: OrgId, contentId: UploadId, place: number, data: Uint8Array): Promise<"added" | "same" | "other">;
  chunk(orgId: OrgId, contentId: UploadId, place: number): Promise<Uint8Array | undefined>;
  /** At most `length` bytes of a chunk from `offset` on. */
  part(
    orgId: OrgId,
    contentId: UploadId,
    place: number,
    offset: number,
    length: number,
  ): Promise<Uint8Array | undefined>;
  received(orgId: OrgId, contentId: UploadId, chunks: number): Promise<Received>;
  /** Deletes some chunks of content that was dropped, at most `limit`; whether that was all of it. */
  sweep(orgId: OrgId, contentId: UploadId, limit: number): Promise<boolean>;
}
