// Runs: of committed plans, and of work done elsewhere. Not here: statements, nor what runs of plans take from their plans.
import { bigint, boolean, doublePrecision, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId, RunId, WorkflowId } from "../../../domain/id.ts";
import type { RunStatus } from "../../../domain/run.ts";
import { maestro } from "./maestro.ts";

export const runs = maestro.table(
  "runs",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    /** A plan's run has the plan's UUID. */
    runId: uuid("run_id").$type<RunId>().notNull(),
    isPlan: boolean("is_plan").notNull(),
    name: text("name").notNull(),
    owner: text("owner").notNull(),
    /** JSON text of an array of texts: whoever owned it before. */
    pastOwners: text("past_owners").notNull().default("[]"),
    /** Null for a plan's run, whose state says it. */
    status: text("status").$type<RunStatus>(),
    /** Of a plan's run: when its plan was made; once it is committed, its commit counts. */
    startedMs: bigint("started_ms", { mode: "number" }).notNull(),
    /** Null for a plan's run. */
    finishedMs: bigint("finished_ms", { mode: "number" }),
    costEstimate: doublePrecision("cost_estimate"),
    /** Null for a plan's run. */
    costActual: doublePrecision("cost_actual"),
    /** JSON text of an array of texts, as the next one is. */
    relatedEntityIds: text("related_entity_ids").notNull(),
    relatedDecisionIds: text("related_decision_ids").notNull(),
    /** JSON text of an object. */
    metadata: text("metadata").notNull(),
    workflowId: uuid("workflow_id").$type<WorkflowId>(),
    /** JSON text of an array of tasks, see RunTask; null unless it was made from a workflow. */
    tasks: text("tasks"),
    /** Of a run of work done elsewhere. */
    charter: text("charter"),
    /** Of a plan's run the same as its plan's: lists by status are read off the plans, in this order. */
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    createdBy: text("created_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.runId] })],
);
