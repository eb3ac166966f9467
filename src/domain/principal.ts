// Who calls, and what they may do. Not here: how a credential becomes a principal, see engine/identify.ts.
import type { KeyId, OrgId } from "./id.ts";

export interface Principal {
  readonly orgId: OrgId;
  /** Name within the org: the key's principal, or `local`. */
  readonly name: string;
  /** Capabilities; an entry may end in `*`. */
  readonly grants: readonly string[];
  /** The key it called with; null for the local caller. */
  readonly keyId: KeyId | null;
  /** When that key expires; null for never. */
  readonly untilMs: number | null;
}

/** Whether grants cover a capability: by name, or by a prefix that ends in `*`. */
export function grants(granted: readonly string[], capability: string): boolean {
  return granted.some((g) => g === capability || (g.endsWith("*") && capability.startsWith(g.slice(0, -1))));
}

export interface Org {
  readonly orgId: OrgId;
  readonly name: string;
  readonly createdMs: number;
}

export interface ApiKey {
  readonly orgId: OrgId;
  readonly keyId: KeyId;
  readonly principal: string;
  readonly grants: readonly string[];
  readonly createdMs: number;
  readonly expiresMs: number | null;
  readonly revokedMs: number | null;
}

/** Every new installation has this org; its local caller may do everything. */
export const DEFAULT_ORG = "default";
