// Lists workflows, newest first.
import type { Operation } from "../engine/operation.ts";
import type { Workflow } from "../domain/workflow.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export const workflowList: Operation<{ readonly page: PageRequest }, Page<Workflow>> = async (
  tx,
  { page },
  context,
) => {
  const workflows = await tx.workflows.list(context.principal.orgId, oneMore(page));
  return read(pageOf(workflows, page, ({ createdMs, workflowId }) => [createdMs, workflowId]));
};
