// Returns a disclosure pack.
import type { Operation } from "../engine/operation.ts";
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import type { PackId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";

export interface PackGetRequest {
  /** Null for a text that is no id of a pack. */
  readonly packId: PackId | null;
  /** As it was asked for. */
  readonly text: string;
}

export const packGet: Operation<PackGetRequest, DisclosurePack> = async (tx, { packId, text }, context) => {
  const pack = packId === null ? undefined : await tx.disclosurePacks.find(context.principal.orgId, packId);
  return pack === undefined ? notFound("disclosure pack", text) : read(pack);
};
