// Workflows: tasks and their order, to make plans from. Not here: plans.
import type { OrgId, WorkflowId } from "./id.ts";

export interface WorkflowTask {
  readonly name: string;
  /** The capability that an executor needs. */
  readonly agentType: string;
}
export interface WorkflowDependency {
  readonly task: string;
  readonly dependsOn: string;
}

/** Never changes. */
export interface Workflow {
  readonly orgId: OrgId;
  readonly workflowId: WorkflowId;
  readonly name: string;
  readonly tasks: readonly WorkflowTask[];
  readonly dependencies: readonly WorkflowDependency[];
  readonly createdMs: number;
  readonly createdBy: string;
}
