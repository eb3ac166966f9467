// Artifacts kept here: content by digest, uploads by chunk, and what is refused of both. Not here: artifacts that outcomes name
// (payload.ts), and where the bytes are.
import type { OrgId, PlanId, UploadId } from "./id.ts";
import { decided, invalid, refused } from "./refusal.ts";
import type { Decision } from "./refusal.ts";

/** Content of an org. Its digest names it: `sha256:` and 64 digits in lower case. */
export interface KeptArtifact {
  readonly orgId: OrgId;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly contentType: string;
  readonly name: string;
  readonly createdMs: number;
  readonly createdBy: string;
  /** The upload that its chunks came with. */
  readonly contentId: UploadId;
  readonly chunkBytes: number;
}

/** Content on its way. A principal has one upload of a content at a time. */
export interface Upload {
  readonly orgId: OrgId;
  readonly uploadId: UploadId;
  readonly principal: string;
  readonly digest: string;
  readonly sizeBytes: number;
  readonly chunkBytes: number;
  readonly contentType: string;
  readonly name: string;
  readonly createdMs: number;
  readonly expiresMs: number;
}

/** What an org's artifacts take: kept, and promised to uploads under way. */
export interface ArtifactAccount {
  readonly keptBytes: number;
  readonly promisedBytes: number;
}

export interface ArtifactLimits {
  /** Largest artifact. */
  readonly artifactBytes: number;
  /** All artifacts of an org, uploads under way included. */
  readonly orgBytes: number;
}

/** A call costs as much as some 400 KiB of its bytes; of a chunk twice that size every step takes less than 2 ms. */
export const USUAL_CHUNK_BYTES = 524_288;
export const USUAL_CONTENT_TYPE = "application/octet-stream";
/** An upload that gets no chunk for this long is given up. */
export const UPLOAD_LIFE_MS = 3_600_000;

const PREFIX = "max://artifact/";
const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function artifactUri(digest: string): string {
  return `${PREFIX}${digest}`;
}

/** Whether an address claims to be one of ours. */
export function isOwnUri(uri: string): boolean {
  return uri.startsWith(PREFIX);
}

/** The digest in an address of ours, or one that stands alone; undefined when it is neither. */
export function digestIn(uriOrDigest: string): string | undefined {
  const digest = isOwnUri(uriOrDigest) ? uriOrDigest.slice(PREFIX.length) : uriOrDigest;
  return DIGEST.test(digest) ? digest : undefined;
}

export function chunkCount({ sizeBytes, chunkBytes }: Pick<Upload, "sizeBytes" | "chunkBytes">): number {
  return Math.ceil(sizeBytes / chunkBytes);
}

/** Whether content of that size may be begun. */
export function mayBegin(sizeBytes: number, account: ArtifactAccount, limits: ArtifactLimits): Decision<null> {
  if (sizeBytes > limits.artifactBytes) {
    return refused("TOO_LARGE", `The artifact has ${sizeBytes} bytes; the limit is ${limits.artifactBytes}.`, {
      stage: "ACCOUNT",
      rule: "artifact.size",
      metadata: { limit_bytes: String(limits.artifactBytes), size_bytes: String(sizeBytes) },
      remedy:
        "Keep it elsewhere and name it by its own address, or have the limit raised (MAESTRO_ARTIFACT_MAX_BYTES).",
      lifter: "ADMIN",
    });
  }
  const available = Math.max(0, limits.orgBytes - account.keptBytes - account.promisedBytes);
  if (sizeBytes <= available) return decided(null);
  return refused(
    "BUDGET_EXHAUSTED",
    `The org's artifacts may take ${available} bytes more, and this one has ${sizeBytes}.`,
    {
      rule: "artifact.quota",
      metadata: { dimension: "artifact_bytes", needed: String(sizeBytes), available: String(available) },
      remedy: "Delete artifacts or abort uploads, or have the quota raised (MAESTRO_ARTIFACT_ORG_BYTES).",
      lifter: "ADMIN",
    },
  );
}

/** Two sizes were given for one digest: at most one of them is true. */
export function sizeContradiction(expected: number, actual: number, remedy: string): Decision<never> {
  return refused("CONTRADICTORY_EVIDENCE", `Content with this digest has ${expected} bytes, not ${actual}.`, {
    rule: "artifact.size",
    metadata: { expected: String(expected), actual: String(actual) },
    remedy,
  });
}

/** The place of a chunk among its upload's, if it is one. */
export function chunkAt(upload: Upload, offset: number, length: number): Decision<number> {
  const { sizeBytes, chunkBytes } = upload;
  if (offset % chunkBytes !== 0 || offset >= sizeBytes) {
    const description = `must be a multiple of ${chunkBytes} below ${sizeBytes}`;
    return invalid({ field: "offset", description, rule: "artifact.offset" });
  }
  const expected = Math.min(chunkBytes, sizeBytes - offset);
  if (length !== expected)
    return invalid({
      field: "data",
      description: `must have ${expected} bytes at this offset`,
      rule: "artifact.chunk",
    });
  return decided(offset / chunkBytes);
}

export function otherChunk(offset: number): Decision<never> {
  return refused("CONTRADICTORY_EVIDENCE", `Other bytes were taken for the chunk at ${offset} before.`, {
    rule: "artifact.chunk",
    metadata: { expected: "the bytes that were taken", actual: "other bytes", offset: String(offset) },
    remedy: "Abort the upload and begin it anew if those were wrong.",
  });
}

export function incomplete(uploadId: string, missingOffset: number): Decision<never> {
  return refused("STATE_CONFLICT", `The upload is not complete: bytes from ${missingOffset} on are missing.`, {
    rule: "artifact.incomplete",
    metadata: { kind: "upload", id: uploadId, state: "INCOMPLETE", missing_offset: String(missingOffset) },
    remedy: "Send what GetUpload calls missing; then finish it.",
  });
}

export function wrongDigest(expected: string, actual: string): Decision<never> {
  return refused("CONTRADICTORY_EVIDENCE", `The content has the digest ${actual}, not ${expected}.`, {
    rule: "artifact.digest",
    metadata: { expected, actual },
    remedy: "What was sent is dropped: begin anew with the right digest, or the right content.",
  });
}

export function inUse(digest: string, planId: PlanId): Decision<never> {
  return refused("STATE_CONFLICT", `The artifact is used by ${planId}, which has not ended.`, {
    rule: "artifact.in_use",
    metadata: { kind: "artifact", id: artifactUri(digest), state: "IN_USE", plan_id: planId },
    remedy: "Delete it when the plan has ended.",
    lifter: "TIME",
  });
}
