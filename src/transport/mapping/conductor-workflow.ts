// Workflows as messages and back. Not here: runs that are made from them, see conductor.ts.
import type { CreateWorkflowRequest } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { Workflow as WireWorkflow } from "../../../gen/maestro/conductor/v1/workflow_pb.ts";
import { ID_PREFIX } from "../../domain/id.ts";
import type { WorkflowId } from "../../domain/id.ts";
import type { Workflow } from "../../domain/workflow.ts";
import type { Looked } from "../../operations/run-name.ts";
import type { WorkflowCreateRequest } from "../../operations/workflow-create.ts";
import { uuidOf } from "../../support/typeid.ts";
import { metadataIn, metadataToWire } from "./conductor.ts";
import { idText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { timestamp } from "./time.ts";

export function workflowName(text: string): Looked<WorkflowId> {
  return { id: (uuidOf(text, ID_PREFIX.workflow) ?? null) as WorkflowId | null, text };
}

export function workflowRequestOf(
  { name, tasks, dependencies }: CreateWorkflowRequest,
  problems: Problems,
): WorkflowCreateRequest {
  return {
    name,
    tasks: tasks.map(({ name: called, agentType, input }, i) => ({
      name: called,
      agentType,
      ...(input === undefined ? {} : { input: metadataIn(problems, `tasks[${String(i)}].input`, input) }),
    })),
    dependencies: dependencies.map(({ task, dependsOn }) => ({ task, dependsOn })),
  };
}

export function workflowToWire(workflow: Workflow): WireWorkflow {
  return {
    $typeName: "maestro.conductor.v1.Workflow",
    id: idText("workflow", workflow.workflowId),
    name: workflow.name,
    tasks: workflow.tasks.map(({ name, agentType, input }) => ({
      $typeName: "maestro.conductor.v1.WorkflowTask",
      name,
      agentType,
      ...(input === undefined ? {} : { input: metadataToWire(input) }),
    })),
    dependencies: workflow.dependencies.map((dependency) => ({
      $typeName: "maestro.conductor.v1.WorkflowDependency",
      ...dependency,
    })),
    createdAt: timestamp(workflow.createdMs),
    createdBy: workflow.createdBy,
  };
}
