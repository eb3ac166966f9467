// Lists waivers, newest first: those that stand, those that expired, and those that were taken back.
import type { Operation } from "../engine/operation.ts";
import type { Waiver } from "../domain/waiver.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";
import type { RunName } from "./run-name.ts";

export interface WaiverListRequest {
  /** Null for those of all runs. Of a run that is not there, there are none. */
  readonly run: RunName | null;
  readonly page: PageRequest;
}

export const waiverList: Operation<WaiverListRequest, Page<Waiver>> = async (tx, { run, page }, context) => {
  if (run !== null && run.id === null) return read({ items: [], next: null });
  const found = await tx.waivers.list(context.principal.orgId, { runId: run?.id ?? null }, oneMore(page));
  return read(pageOf(found, page, ({ grantedMs, waiverId }) => [grantedMs, waiverId]));
};
