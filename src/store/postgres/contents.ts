// The bytes of artifacts on Postgres: each chunk comes and goes in a transaction of its own. Not here: the thread that this
// runs in, see contents-apart.ts, and the statements, see artifacts.ts.
import { chunkCount } from "../../domain/artifact.ts";
import type { OrgId } from "../../domain/id.ts";
import type { ContentStore } from "../ports/contents.ts";
import type { ArtifactRepository } from "../ports/artifacts.ts";
import { createArtifactRepository } from "./artifacts.ts";
import { ContentDigests } from "./content-digests.ts";
import { inTransaction } from "./transaction.ts";
import type { TransactionOptions } from "./transaction.ts";

/** Chunks that one call reads before it lets its caller look around: some tenths of a second. */
const CHUNKS_EACH = 64;

/** Rolls back what was written for an upload that there is not. */
class GoneError extends Error {}

export function createContents(options: TransactionOptions): ContentStore {
  const digests = new ContentDigests();
  const read = async <T>(
    orgId: OrgId,
    work: (artifacts: ArtifactRepository) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> =>
    inTransaction(
      options,
      { orgs: [orgId], readOnly: true },
      (session) => work(createArtifactRepository(session)),
      signal,
    );
  return {
    put: async ({ orgId, contentId, place }, data, signal) => {
      try {
        const kept = await inTransaction(
          options,
          { orgs: [orgId] },
          async (session) => {
            const artifacts = createArtifactRepository(session);
            // Sent together. The lock keeps the upload from being dropped, with all that was swept of it, before this is durable.
            const [upload, done] = await Promise.all([
              artifacts.lockUpload(orgId, contentId, "share"),
              artifacts.addChunk(orgId, contentId, place, data),
            ]);
            if (upload === undefined) throw new GoneError("there is no such upload");
            return done;
          },
          signal,
        );
        if (kept !== "other") digests.added(contentId, place, data);
        return kept;
      } catch (error) {
        if (error instanceof GoneError) return "gone";
        throw error;
      }
    },
    get: async ({ orgId, contentId, place, offset, length }, signal) =>
      read(orgId, (artifacts) => artifacts.part(orgId, contentId, place, offset, length), signal),
    digest: async (upload, signal) => {
      const { orgId, uploadId: contentId } = upload;
      let left = CHUNKS_EACH;
      const chunk = (place: number) => read(orgId, (artifacts) => artifacts.chunk(orgId, contentId, place), signal);
      return digests.of(contentId, chunkCount(upload), chunk, () => left-- === 0);
    },
    forget: (uploadId) => {
      digests.forget(uploadId);
    },
  };
}
