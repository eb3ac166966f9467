// Returns a charter at its newest or a given revision.
import type { Operation } from "../engine/operation.ts";
import type { Charter } from "../domain/charter.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";

export interface CharterGetRequest {
  /** Name, or id as UUID text. */
  readonly charter: string;
  /** Zero for the newest. */
  readonly revision: number;
}

export const charterGet: Operation<CharterGetRequest, Charter> = async (tx, { charter, revision }, context) => {
  const found = await tx.charters.find(context.principal.orgId, charter, revision === 0 ? undefined : revision);
  if (found !== undefined) return read(found);
  return revision === 0
    ? notFound("charter", charter)
    : notFound("charter", `${charter} at revision ${String(revision)}`);
};
