// Lists disclosure packs, newest first.
import type { Operation } from "../engine/operation.ts";
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import type { RunId } from "../domain/id.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface PackListRequest {
  /** Null for all; `none` for what cannot be a run, which has no packs. */
  readonly runId: RunId | null | "none";
  readonly page: PageRequest;
}

export const packList: Operation<PackListRequest, Page<DisclosurePack>> = async (tx, { runId, page }, context) => {
  if (runId === "none") return read({ items: [], next: null });
  const found = await tx.disclosurePacks.list(context.principal.orgId, { runId }, oneMore(page));
  return read(pageOf(found, page, ({ createdMs, packId }) => [createdMs, packId]));
};
