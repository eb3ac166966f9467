// Returns a disclosure pack.
import type { Operation } from "../engine/operation.ts";
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import type { PackId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";
import type { Looked } from "./run-name.ts";

export const packGet: Operation<Looked<PackId>, DisclosurePack> = async (tx, { id, text }, context) => {
  const pack = id === null ? undefined : await tx.disclosurePacks.find(context.principal.orgId, id);
  return pack === undefined ? notFound("disclosure pack", text) : read(pack);
};
