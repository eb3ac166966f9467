// Keeps a workflow to make runs from. Not here: what is wrong with one, see domain/workflow.ts.
import type { Operation } from "../engine/operation.ts";
import { digestOf } from "../domain/canonical.ts";
import type { WorkflowId } from "../domain/id.ts";
import { workflowProblem } from "../domain/workflow.ts";
import type { Workflow, WorkflowDependency, WorkflowTask } from "../domain/workflow.ts";
import { journaled } from "./done.ts";

export interface WorkflowCreateRequest {
  readonly name: string;
  readonly tasks: readonly WorkflowTask[];
  readonly dependencies: readonly WorkflowDependency[];
}

export const workflowCreate: Operation<WorkflowCreateRequest, Workflow> = async (tx, request, context) => {
  const { orgId, name: actor } = context.principal;
  const no = workflowProblem(request.tasks, request.dependencies);
  if (no !== undefined) return { ok: false, refusal: no };
  const workflow: Workflow = {
    orgId,
    workflowId: context.ids.uuid() as WorkflowId,
    ...request,
    createdMs: await tx.nowMs(),
    createdBy: actor,
  };
  await tx.workflows.add(workflow);
  return journaled(workflow, {
    kind: "conductor.workflow.create",
    actor,
    body: {
      workflow: workflow.workflowId,
      name: request.name,
      tasks: request.tasks.map(({ name, agentType, input }) => ({
        name,
        agent_type: agentType,
        // It may be large, and is in the workflow, which never changes.
        ...(input === undefined ? {} : { input_digest: digestOf(JSON.parse(input)) }),
      })),
      dependencies: request.dependencies.map(({ task, dependsOn }) => ({ task, depends_on: dependsOn })),
    },
  });
};
