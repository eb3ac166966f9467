// The first API key of an installation: its secret is the operator's, from the settings, so nobody needs a key to get one.
// Not an operation: no caller asks for it. Not here: keys that callers make, see identity-create-key.ts.
import type { IdMaker, KeyId, SessionId } from "../domain/id.ts";
import type { ApiKey, Org } from "../domain/principal.ts";
import type { Store } from "../store/ports/store.ts";
import { secretDigest } from "./api-key.ts";

/** Name of the principal that calls with it. */
export const BOOTSTRAP = "bootstrap";

/** Makes sure that the key exists, and leaves one that was revoked as it is. Says whether it opens anything. */
export async function ensureBootstrapKey(
  store: Store,
  { orgId }: Org,
  secret: string,
  by: { readonly sessionId: SessionId; readonly ids: IdMaker },
): Promise<boolean> {
  const digest = secretDigest(secret);
  const known = await store.platform.findKey(digest);
  if (known !== undefined) return known.revokedMs === null;
  try {
    await store.transaction([orgId], async (tx) => {
      const createdMs = await tx.nowMs();
      const key: ApiKey = {
        orgId,
        keyId: by.ids.uuid() as KeyId,
        principal: BOOTSTRAP,
        grants: ["*"],
        createdMs,
        expiresMs: null,
        revokedMs: null,
      };
      await tx.identity.addKey(key, digest);
      const body = { key: key.keyId, principal: BOOTSTRAP, grants: key.grants };
      await tx.records.appendJournal(
        orgId,
        by.sessionId,
        [{ kind: "identity.bootstrap_key", actor: "maestro", body }],
        createdMs,
      );
    });
  } catch (trouble) {
    // Another server that starts with the same settings was quicker.
    if ((await store.platform.findKey(digest)) === undefined) throw trouble;
  }
  return true;
}
