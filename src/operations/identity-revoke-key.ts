// Ends an API key now, and the streams that were opened with it. Revoking it again changes nothing.
import type { Operation } from "../engine/operation.ts";
import type { KeyId } from "../domain/id.ts";
import type { ApiKey } from "../domain/principal.ts";
import { notFound } from "../domain/refusal.ts";
import type { KeyWatch } from "./dispatch-port.ts";
import { journaled, read } from "./done.ts";

export interface IdentityRevokeKeyRequest {
  readonly keyId: KeyId;
}

export function identityRevokeKey(dispatcher: KeyWatch): Operation<IdentityRevokeKeyRequest, ApiKey> {
  return async (tx, { keyId }, context) => {
    const { orgId, name: actor } = context.principal;
    const key = await tx.identity.findKey(orgId, keyId);
    if (key === undefined) return notFound("key", keyId);
    if (key.revokedMs !== null) return read(key);
    const revokedMs = await tx.nowMs();
    await tx.identity.revokeKey(orgId, keyId, revokedMs);
    const afterCommit = (): void => {
      dispatcher.keyEnded(keyId);
    };
    return journaled(
      { ...key, revokedMs },
      { kind: "identity.revoke_key", actor, body: { key: keyId, principal: key.principal } },
      { afterCommit },
    );
  };
}
