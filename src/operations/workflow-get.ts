// Returns a workflow.
import type { Operation } from "../engine/operation.ts";
import type { WorkflowId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import type { Workflow } from "../domain/workflow.ts";
import { read } from "./done.ts";
import type { Looked } from "./run-name.ts";

export const workflowGet: Operation<Looked<WorkflowId>, Workflow> = async (tx, { id, text }, context) => {
  const workflow = id === null ? undefined : await tx.workflows.find(context.principal.orgId, id);
  return workflow === undefined ? notFound("workflow", text) : read(workflow);
};
