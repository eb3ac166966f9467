// Waivers, and the keys that they and packs are signed with, in the store.
import type { OrgId, RunId, WaiverId } from "../../domain/id.ts";
import type { SigningKey } from "../../domain/signing-key.ts";
import type { Waiver } from "../../domain/waiver.ts";
import type { PageRequest } from "./paging.ts";

export interface WaiverRepository {
  add(waiver: Waiver): Promise<void>;
  /** Locks the row FOR NO KEY UPDATE, then reads it. */
  lock(orgId: OrgId, waiverId: WaiverId): Promise<Waiver | undefined>;
  revoke(orgId: OrgId, waiverId: WaiverId, by: string, atMs: number): Promise<void>;
  /** Those of a run that were not taken back, and end after that moment: the newest first, and no more than the limit. */
  standing(orgId: OrgId, runId: RunId, atMs: number, limit: number): Promise<readonly Waiver[]>;
  /** Newest first; sort key [granted_ms, waiver_id]. */
  list(orgId: OrgId, query: { readonly runId: RunId | null }, page: PageRequest): Promise<readonly Waiver[]>;
}

export interface SigningKeyRepository {
  /** The newest one; `make` is kept when there is none, and whoever was first wins. */
  ensure(orgId: OrgId, make: () => SigningKey): Promise<SigningKey>;
  /** Newest first; sort key [created_ms, key_id]. */
  list(orgId: OrgId, page: PageRequest): Promise<readonly SigningKey[]>;
}
