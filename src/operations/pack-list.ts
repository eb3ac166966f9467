// Lists disclosure packs, newest first.
import type { Operation } from "../engine/operation.ts";
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { weighedPage } from "./page.ts";
import type { Page } from "./page.ts";
import type { RunName } from "./run-name.ts";

const ID_CHARACTERS = 36;

export interface PackListRequest {
  /** Null for those of all runs. Of a run that is not there, there are none. */
  readonly run: RunName | null;
  readonly page: PageRequest;
}

export const packList: Operation<PackListRequest, Page<DisclosurePack>> = async (tx, { run, page }, context) => {
  if (run !== null && run.id === null) return read({ items: [], next: null });
  const query = { runId: run?.id ?? null };
  return read(
    await weighedPage(
      (part) => tx.disclosurePacks.list(context.principal.orgId, query, part),
      page,
      ({ createdMs, packId }) => [createdMs, packId],
      ({ summary, artifactIds }) => summary.length + ID_CHARACTERS * artifactIds.length,
    ),
  );
};
