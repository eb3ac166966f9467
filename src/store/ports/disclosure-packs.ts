// Disclosure packs in the store.
import type { DisclosurePack } from "../../domain/disclosure-pack.ts";
import type { OrgId, PackId, RunId } from "../../domain/id.ts";
import type { PageRequest } from "./paging.ts";

export interface DisclosurePackRepository {
  /** False when the run has the very same one already. */
  add(pack: DisclosurePack): Promise<boolean>;
  find(orgId: OrgId, packId: PackId): Promise<DisclosurePack | undefined>;
  /** The newest of a run. */
  newest(orgId: OrgId, runId: RunId): Promise<DisclosurePack | undefined>;
  /** Newest first; sort key [created_ms, pack_id]. */
  list(orgId: OrgId, query: { readonly runId: RunId | null }, page: PageRequest): Promise<readonly DisclosurePack[]>;
}
