// Charters in the store.
import type { Charter } from "../../domain/charter.ts";
import type { OrgId, PlanId } from "../../domain/id.ts";
import type { PageRequest } from "./paging.ts";

export interface CharterRepository {
  /** By name or charter id (UUID text); newest revision unless one is given. Undefined when there is none. */
  find(orgId: OrgId, nameOrId: string, revision?: number): Promise<Charter | undefined>;
  /** The revision that a goal is pinned to. */
  ofGoal(orgId: OrgId, planId: PlanId): Promise<Charter | undefined>;
  /** Newest revision by name, locked against other revisions until the transaction ends; the name itself is locked when there is none yet. */
  lockByName(orgId: OrgId, name: string): Promise<Charter | undefined>;
  /** Adds a revision, which becomes the newest. */
  add(charter: Charter): Promise<void>;
  /** Newest revisions, by name; sort key [name]. */
  list(orgId: OrgId, page: PageRequest): Promise<readonly Charter[]>;
}
