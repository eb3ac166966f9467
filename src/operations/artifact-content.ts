// Content that is kept here, read from its first byte to its last; between two parts nothing is held. Not here: handing it out over
// the wire.
import { chunkCount } from "../domain/artifact.ts";
import type { OrgId } from "../domain/id.ts";
import type { Store } from "../store/ports/store.ts";

export type OpenContent = (
  orgId: OrgId,
  digest: string,
  signal: AbortSignal,
) => Promise<AsyncIterable<Uint8Array> | undefined>;

/** Opens content by its digest; undefined when the org has none. Throws what the store throws; content that goes away meanwhile ends early. */
export function openContent({ transaction, contents }: Pick<Store, "transaction" | "contents">): OpenContent {
  return async (orgId, digest, signal) => {
    const kept = await transaction([orgId], (tx) => tx.artifacts.find(orgId, digest), { signal, readOnly: true });
    if (kept === undefined) return undefined;
    const { contentId, chunkBytes } = kept;
    return (async function* () {
      for (let place = 0; place < chunkCount(kept); place++) {
        const part = await contents.get({ orgId, contentId, place, offset: 0, length: chunkBytes }, signal);
        if (part === undefined) return;
        yield part;
      }
    })();
  };
}
