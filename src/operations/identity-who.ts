// Returns who calls.
import type { Operation } from "../engine/operation.ts";
import type { Org, Principal } from "../domain/principal.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";

export interface IdentityWhoResponse {
  readonly org: Org;
  readonly principal: Principal;
}

export const identityWho: Operation<Record<never, never>, IdentityWhoResponse> = async (tx, _request, context) => {
  const { principal } = context;
  const org = await tx.identity.findOrg(principal.orgId);
  return org === undefined ? notFound("org", principal.orgId) : read({ org, principal });
};
