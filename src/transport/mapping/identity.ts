// Orgs and API keys as messages. Secrets are in no domain value and in no message but the answer that made them.
import type { ApiKey as WireKey, Org as WireOrg } from "../../../gen/maestro/v1/identity_pb.ts";
import type { ApiKey, Org } from "../../domain/principal.ts";
import { idText } from "./problems.ts";
import { optionalTimestamp, timestamp } from "./time.ts";

export function orgToWire(org: Org): WireOrg {
  return {
    $typeName: "maestro.v1.Org",
    orgId: idText("org", org.orgId),
    name: org.name,
    createdAt: timestamp(org.createdMs),
  };
}

export function apiKeyToWire(key: ApiKey): WireKey {
  return {
    $typeName: "maestro.v1.ApiKey",
    keyId: idText("key", key.keyId),
    principal: key.principal,
    grants: [...key.grants],
    createdAt: timestamp(key.createdMs),
    expiresAt: optionalTimestamp(key.expiresMs),
    revokedAt: optionalTimestamp(key.revokedMs),
  };
}
