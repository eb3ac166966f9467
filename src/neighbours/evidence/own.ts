// Evidence that is kept here: `max://artifact/…`. Not here: how content is kept.
import { digestIn, isOwnUri } from "../../domain/artifact.ts";
import type { OrgId } from "../../domain/id.ts";
import { FetchError } from "./port.ts";
import type { EvidenceSource } from "./port.ts";

/** Opens content by its digest; undefined when the org has none. */
export type OpenOwn = (
  orgId: OrgId,
  digest: string,
  signal: AbortSignal,
) => Promise<AsyncIterable<Uint8Array> | undefined>;

export function ownContent(open: OpenOwn): EvidenceSource {
  return {
    takes: isOwnUri,
    fetch: async function* (orgId, uri, signal) {
      const digest = digestIn(uri);
      const content = digest === undefined ? undefined : await open(orgId, digest, signal);
      if (content === undefined) throw new FetchError("NOT_FOUND", "no such artifact is kept here");
      yield* content;
    },
  };
}
