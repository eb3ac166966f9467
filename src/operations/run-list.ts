// Lists runs, newest first.
import type { Operation } from "../engine/operation.ts";
import type { Run, RunStatus } from "../domain/run.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface RunListRequest {
  readonly owner: string | null;
  readonly status: RunStatus | null;
  readonly page: PageRequest;
}

export const runList: Operation<RunListRequest, Page<Run>> = async (tx, { owner, status, page }, context) => {
  const runs = await tx.runs.list(context.principal.orgId, { owner, status }, oneMore(page));
  return read(pageOf(runs, page, ({ createdMs, runId }) => [createdMs, runId]));
};
