// Orgs and API keys in the store. Looking a credential up without knowing its org is in platform.ts.
import type { KeyId, OrgId } from "../../domain/id.ts";
import type { ApiKey, Org } from "../../domain/principal.ts";
import type { PageRequest } from "./paging.ts";

export interface IdentityRepository {
  findOrg(orgId: OrgId): Promise<Org | undefined>;
  /** False when the name is taken by any org. */
  addOrg(org: Org): Promise<boolean>;
  addKey(key: ApiKey, secretDigest: Uint8Array): Promise<void>;
  findKey(orgId: OrgId, keyId: KeyId): Promise<ApiKey | undefined>;
  /** Newest first; sort key [created_ms, key_id]. */
  listKeys(orgId: OrgId, page: PageRequest): Promise<readonly ApiKey[]>;
  revokeKey(orgId: OrgId, keyId: KeyId, atMs: number): Promise<void>;
}
