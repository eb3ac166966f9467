// Workflows. Not here: plans that are made from them.
import type { OrgId, WorkflowId } from "../../domain/id.ts";
import type { Workflow, WorkflowDependency, WorkflowTask } from "../../domain/workflow.ts";
import type { WorkflowRepository } from "../ports/workflows.ts";
import { below } from "./newest-first.ts";
import type { Session } from "./transaction.ts";

const COLUMNS = "workflow_id, name, tasks, dependencies, created_ms, created_by";
const SELECT = `SELECT ${COLUMNS} FROM maestro.workflows WHERE org_id = $1`;

/** Exported so that their plans can be looked at. */
export const WORKFLOWS = {
  add: `INSERT INTO maestro.workflows (org_id, ${COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
  find: `${SELECT} AND workflow_id = $2`,
  /** Index: workflows_by_time, backwards; its predicate is named. */
  list: `${SELECT} AND created_ms >= 0 AND (created_ms, workflow_id) < ($2, $3) ORDER BY created_ms DESC, workflow_id DESC LIMIT $4`,
} as const;

interface RawWorkflow {
  readonly workflow_id: string;
  readonly name: string;
  readonly tasks: string;
  readonly dependencies: string;
  readonly created_ms: number;
  readonly created_by: string;
}

const workflowOf = (orgId: OrgId, raw: RawWorkflow): Workflow => ({
  orgId,
  workflowId: raw.workflow_id as WorkflowId,
  name: raw.name,
  tasks: JSON.parse(raw.tasks) as readonly WorkflowTask[],
  dependencies: JSON.parse(raw.dependencies) as readonly WorkflowDependency[],
  createdMs: raw.created_ms,
  createdBy: raw.created_by,
});

export function createWorkflowRepository({ run, send }: Session): WorkflowRepository {
  return {
    add: async ({ orgId, workflowId, name, tasks, dependencies, createdMs, createdBy }) => {
      const lists = [JSON.stringify(tasks), JSON.stringify(dependencies)];
      send(WORKFLOWS.add, [orgId, workflowId, name, ...lists, createdMs, createdBy]);
    },
    find: async (orgId, workflowId) => {
      const [raw] = await run<RawWorkflow>(WORKFLOWS.find, [orgId, workflowId]);
      return raw === undefined ? undefined : workflowOf(orgId, raw);
    },
    list: async (orgId, page) => {
      const rows = await run<RawWorkflow>(WORKFLOWS.list, [orgId, ...below(page), page.limit]);
      return rows.map((raw) => workflowOf(orgId, raw));
    },
  };
}
