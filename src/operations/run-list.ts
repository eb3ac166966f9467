// Lists runs, newest first.
import type { Operation } from "../engine/operation.ts";
import type { Run, RunStatus } from "../domain/run.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { weighedPage } from "./page.ts";
import type { Page, SortKey } from "./page.ts";
import { fewerTasks, withTaskRuns } from "./task-runs.ts";

export interface RunListRequest {
  readonly owner: string | null;
  readonly status: RunStatus | null;
  readonly page: PageRequest;
}

const keyOf = ({ createdMs, runId }: Run): SortKey => [createdMs, runId];

/** Characters that a task's two names and its step may have. */
const THREE_NAMES = 384;

function weightOf({ metadata, relatedEntityIds, relatedDecisionIds, tasks }: Run): number {
  const ids = [...relatedEntityIds, ...relatedDecisionIds].reduce((sum, id) => sum + id.length, 0);
  return metadata.length + ids + THREE_NAMES * tasks.length;
}

export const runList: Operation<RunListRequest, Page<Run>> = async (tx, { owner, status, page }, context) => {
  const { items, next } = await weighedPage(
    (part) => tx.runs.list(context.principal.orgId, { owner, status }, part),
    page,
    keyOf,
    weightOf,
  );
  const fewer = fewerTasks(items);
  const last = fewer.at(-1);
  const rest = fewer.length < items.length && last !== undefined ? keyOf(last) : next;
  return read({ items: await withTaskRuns(tx, context.principal.orgId, fewer), next: rest });
};
