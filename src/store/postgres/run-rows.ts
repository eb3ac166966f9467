// Run rows between the table and the domain, and what runs of plans take from their plans. Not here: which runs are read (runs.ts).
import type { OrgId, PlanId, RunId, WorkflowId } from "../../domain/id.ts";
import type { PlanState } from "../../domain/plan.ts";
import { STATUS_OF_PLAN } from "../../domain/run.ts";
import type { Run, RunStatus, RunTask } from "../../domain/run.ts";
import type { BulkColumn } from "./columns.ts";

/** What of it is not the plan's. */
const told = <T>(run: Run, value: T): T | null => (run.planId === null ? value : null);

/** What may be changed. */
export const RUN_CHANGES: readonly BulkColumn<Run>[] = [
  { name: "name", type: "text", value: (run) => run.name },
  { name: "owner", type: "text", value: (run) => run.owner },
  { name: "past_owners", type: "text", value: (run) => JSON.stringify(run.pastOwners) },
  { name: "status", type: "text", value: (run) => told(run, run.status) },
  { name: "finished_ms", type: "bigint", value: (run) => told(run, run.finishedMs) },
  { name: "cost_estimate", type: "float8", value: (run) => run.costEstimate },
  { name: "cost_actual", type: "float8", value: (run) => told(run, run.costActual) },
  { name: "related_entity_ids", type: "text", value: (run) => JSON.stringify(run.relatedEntityIds) },
  { name: "related_decision_ids", type: "text", value: (run) => JSON.stringify(run.relatedDecisionIds) },
  { name: "metadata", type: "text", value: (run) => run.metadata },
];

const FIXED: readonly BulkColumn<Run>[] = [
  { name: "is_plan", type: "boolean", value: (run) => run.planId !== null },
  { name: "started_ms", type: "bigint", value: (run) => run.startedMs },
  { name: "workflow_id", type: "uuid", value: (run) => run.workflowId },
  { name: "tasks", type: "text", value: (run) => (run.tasks.length === 0 ? null : JSON.stringify(run.tasks)) },
  { name: "charter", type: "text", value: (run) => told(run, run.charter) },
  { name: "created_ms", type: "bigint", value: (run) => run.createdMs },
  { name: "created_by", type: "text", value: (run) => run.createdBy },
];

/** All of them, besides the keys. */
export const RUN_COLUMNS: readonly BulkColumn<Run>[] = [...RUN_CHANGES, ...FIXED];

/**
 * What is selected of alias `r` once `OF_PLAN` is joined. What was used beyond its hold was paid for all the same; what is only
 * presumed to be spent is not known yet.
 */
export const RUN_SELECT = [
  "r.org_id",
  "r.run_id",
  ...RUN_COLUMNS.map(({ name }) => `r.${name}`),
  "p.state AS plan_state",
  "p.committed_ms AS plan_committed_ms",
  "p.finished_ms AS plan_finished_ms",
  "CASE WHEN p.currency <> '' THEN p.spent_money + p.overrun_money END AS plan_micros",
  "c.name AS plan_charter",
].join(", ");

/** The plan of each run, looked up by itself, and its charter. A plan whose commit was sent back has no run until it is committed again. */
export const OF_PLAN =
  "LEFT JOIN LATERAL (SELECT x.state, x.committed_ms, x.finished_ms, x.currency, x.spent_money, x.overrun_money, x.charter_id, x.charter_revision " +
  "FROM maestro.plans x WHERE r.is_plan AND x.org_id = r.org_id AND x.plan_id = r.run_id OFFSET 0) p ON true " +
  "LEFT JOIN LATERAL (SELECT x.name FROM maestro.charters x " +
  // A sum is looked up in no index: otherwise the one by name would do, by reading all charters of the org.
  "WHERE x.org_id = r.org_id AND x.charter_id = p.charter_id AND x.revision + 0 = p.charter_revision OFFSET 0) c ON true " +
  "WHERE (NOT r.is_plan OR p.state <> 'UNCOMMITTED')";

export interface RawRun {
  readonly org_id: string;
  readonly run_id: string;
  readonly is_plan: boolean;
  readonly name: string;
  readonly owner: string;
  readonly past_owners: string;
  readonly status: string | null;
  readonly started_ms: number;
  readonly finished_ms: number | null;
  readonly cost_estimate: number | null;
  readonly cost_actual: number | null;
  readonly related_entity_ids: string;
  readonly related_decision_ids: string;
  readonly metadata: string;
  readonly workflow_id: string | null;
  readonly tasks: string | null;
  readonly charter: string | null;
  readonly created_ms: number;
  readonly created_by: string;
  readonly plan_state: string | null;
  readonly plan_committed_ms: number | null;
  readonly plan_finished_ms: number | null;
  readonly plan_micros: number | null;
  readonly plan_charter: string | null;
}

const MICROS = 1e6;

export function runOf(raw: RawRun): Run {
  const status = raw.is_plan ? STATUS_OF_PLAN[raw.plan_state as PlanState] : (raw.status as RunStatus);
  if (status === null) throw new Error("a plan that was not committed has no run");
  return {
    orgId: raw.org_id as OrgId,
    runId: raw.run_id as RunId,
    planId: raw.is_plan ? (raw.run_id as PlanId) : null,
    name: raw.name,
    owner: raw.owner,
    pastOwners: listOf(raw.past_owners) as readonly string[],
    status,
    startedMs: raw.plan_committed_ms ?? raw.started_ms,
    finishedMs: raw.is_plan ? raw.plan_finished_ms : raw.finished_ms,
    costEstimate: raw.cost_estimate,
    costActual: raw.is_plan ? (raw.plan_micros === null ? null : raw.plan_micros / MICROS) : raw.cost_actual,
    relatedEntityIds: listOf(raw.related_entity_ids) as readonly string[],
    relatedDecisionIds: listOf(raw.related_decision_ids) as readonly string[],
    metadata: raw.metadata,
    workflowId: raw.workflow_id as WorkflowId | null,
    tasks: raw.tasks === null ? [] : (JSON.parse(raw.tasks) as readonly RunTask[]),
    charter: raw.is_plan ? raw.plan_charter : raw.charter,
    createdMs: raw.created_ms,
    createdBy: raw.created_by,
  };
}

/** Most are empty. */
function listOf(text: string): readonly unknown[] {
  return text === "[]" ? [] : (JSON.parse(text) as readonly unknown[]);
}
