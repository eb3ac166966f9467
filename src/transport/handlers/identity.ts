// IdentityService: orgs, keys, and who calls. Secrets leave once: what is kept for repeats of a call does not hold them.
import { IdentityService } from "../../../gen/maestro/v1/identity_service_pb.ts";
import { apiKeyToWire, orgToWire } from "../mapping/identity.ts";
import { idIn } from "../mapping/problems.ts";
import { optionalDurationMs } from "../mapping/time.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function identityRoutes(kit: Kit): readonly Route[] {
  const { identityWho, identityCreateOrg, identityCreateKey, identityRevokeKey, identityListKeys } = kit.operations;
  return [
    operationRoute(kit, IdentityService.method.whoAmI, {
      operation: identityWho,
      request: () => ({}),
      answer: ({ org, principal }) => ({
        org: orgToWire(org),
        principal: principal.name,
        grants: [...principal.grants],
      }),
    }),
    operationRoute(kit, IdentityService.method.createOrg, {
      operation: identityCreateOrg,
      request: ({ name }) => ({ name }),
      answer: ({ org, key, secret }) => ({ org: orgToWire(org), key: apiKeyToWire(key), secret }),
      keep: (answer) => ({ ...answer, secret: "" }),
    }),
    operationRoute(kit, IdentityService.method.createApiKey, {
      operation: identityCreateKey,
      request: ({ principal, grants, lifetime }) => ({
        principal,
        grants: [...grants],
        lifetimeMs: optionalDurationMs(lifetime),
      }),
      answer: ({ key, secret }) => ({ key: apiKeyToWire(key), secret }),
      keep: (answer) => ({ ...answer, secret: "" }),
    }),
    operationRoute(kit, IdentityService.method.revokeApiKey, {
      operation: identityRevokeKey,
      request: ({ keyId }, problems) => ({ keyId: idIn(problems, "key_id", "key", keyId) }),
      answer: (key) => ({ key: apiKeyToWire(key) }),
    }),
    operationRoute(kit, IdentityService.method.listApiKeys, {
      operation: identityListKeys,
      request: (_, __, { page }) => ({ page }),
      answer: ({ items, next }, _, paging) => ({ keys: items.map(apiKeyToWire), nextPageToken: paging.next(next) }),
    }),
  ];
}
