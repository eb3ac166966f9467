// Makes an API key in the caller's org. It cannot grant what its maker lacks; its secret is shown once.
import type { Operation } from "../engine/operation.ts";
import type { KeyId } from "../domain/id.ts";
import { grants as covers } from "../domain/principal.ts";
import type { ApiKey } from "../domain/principal.ts";
import { refused } from "../domain/refusal.ts";
import { newSecret, secretDigest } from "./api-key.ts";
import { journaled } from "./done.ts";

export interface IdentityCreateKeyRequest {
  readonly principal: string;
  readonly grants: readonly string[];
  /** Null for ever. */
  readonly lifetimeMs: number | null;
}
export interface IdentityCreateKeyResponse {
  readonly key: ApiKey;
  /** Shown once. */
  readonly secret: string;
}

export const identityCreateKey: Operation<IdentityCreateKeyRequest, IdentityCreateKeyResponse> = async (
  tx,
  { principal, grants, lifetimeMs },
  context,
) => {
  const { orgId, name: actor, grants: own } = context.principal;
  // A prefix is covered only by a prefix: `a.*` by `a.*`, `*`, or a shorter one.
  const lacking = grants.filter(
    (grant) =>
      !covers(
        own.filter((o) => !grant.endsWith("*") || o.endsWith("*")),
        grant,
      ),
  );
  const [first] = lacking;
  if (first !== undefined) {
    return refused(
      "CAPABILITY_MISSING",
      `A key cannot grant what its maker lacks: ${lacking.slice(0, 10).join(", ")}.`,
      { rule: "identity.create_key.grants", metadata: { capability: first } },
    );
  }
  const createdMs = await tx.nowMs();
  const secret = newSecret(context.random);
  const key: ApiKey = {
    orgId,
    keyId: context.ids.uuid() as KeyId,
    principal,
    grants: [...new Set(grants)],
    createdMs,
    expiresMs: lifetimeMs === null ? null : createdMs + lifetimeMs,
    revokedMs: null,
  };
  await tx.identity.addKey(key, secretDigest(secret));
  return journaled(
    { key, secret },
    {
      kind: "identity.create_key",
      actor,
      body: { key: key.keyId, principal, grants: key.grants, expires_at: key.expiresMs },
    },
  );
};
