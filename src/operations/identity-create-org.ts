// Makes an org with a first API key. Only for principals of the org that every installation has.
import type { Operation } from "../engine/operation.ts";
import type { KeyId, OrgId } from "../domain/id.ts";
import { DEFAULT_ORG } from "../domain/principal.ts";
import type { ApiKey, Org } from "../domain/principal.ts";
import { refused } from "../domain/refusal.ts";
import { newSecret, secretDigest } from "./api-key.ts";
import { journaled } from "./done.ts";

export interface IdentityCreateOrgRequest {
  readonly name: string;
}
export interface IdentityCreateOrgResponse {
  readonly org: Org;
  readonly key: ApiKey;
  /** Shown once. */
  readonly secret: string;
}

export const identityCreateOrg: Operation<IdentityCreateOrgRequest, IdentityCreateOrgResponse> = async (
  tx,
  { name },
  context,
) => {
  const { orgId: callersOrg, name: actor } = context.principal;
  const home = await tx.identity.findOrg(callersOrg);
  if (home?.name !== DEFAULT_ORG) {
    return refused("CAPABILITY_MISSING", `Only principals of the org ${DEFAULT_ORG} can make orgs.`, {
      rule: "identity.create_org.home",
      metadata: { capability: "map.maestro.identity.create_org" },
    });
  }
  const createdMs = await tx.nowMs();
  const org: Org = { orgId: context.ids.uuid() as OrgId, name, createdMs };
  if (!(await tx.identity.addOrg(org)))
    return refused("ALREADY_EXISTS", `The name ${name} is taken.`, { metadata: { kind: "org", id: name } });
  const secret = newSecret(context.random);
  const key: ApiKey = {
    orgId: org.orgId,
    keyId: context.ids.uuid() as KeyId,
    principal: "admin",
    grants: ["*"],
    createdMs,
    expiresMs: null,
    revokedMs: null,
  };
  await tx.identity.addKey(key, secretDigest(secret));
  return journaled(
    { org, key, secret },
    { kind: "identity.create_org", actor, body: { org: org.orgId, name, key: key.keyId } },
  );
};
