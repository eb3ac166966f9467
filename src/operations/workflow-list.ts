// Lists workflows, newest first.
import type { Operation } from "../engine/operation.ts";
import type { Workflow } from "../domain/workflow.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { weighedPage } from "./page.ts";
import type { Page } from "./page.ts";

/** Characters that two names may have. */
const TWO_NAMES = 256;

export const workflowList: Operation<{ readonly page: PageRequest }, Page<Workflow>> = async (
  tx,
  { page },
  context,
) => {
  return read(
    await weighedPage(
      (part) => tx.workflows.list(context.principal.orgId, part),
      page,
      ({ createdMs, workflowId }) => [createdMs, workflowId],
      ({ tasks, dependencies }) => TWO_NAMES * (tasks.length + dependencies.length),
    ),
  );
};
