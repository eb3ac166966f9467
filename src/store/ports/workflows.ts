// Workflows in the store.
import type { OrgId, WorkflowId } from "../../domain/id.ts";
import type { Workflow } from "../../domain/workflow.ts";
import type { PageRequest } from "./paging.ts";

export interface WorkflowRepository {
  add(workflow: Workflow): Promise<void>;
  find(orgId: OrgId, workflowId: WorkflowId): Promise<Workflow | undefined>;
  /** Newest first; sort key [created_ms, workflow_id]. */
  list(orgId: OrgId, page: PageRequest): Promise<readonly Workflow[]>;
}
