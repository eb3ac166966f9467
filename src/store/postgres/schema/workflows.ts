// Workflows. Not here: statements.
import { bigint, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId, WorkflowId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const workflows = maestro.table(
  "workflows",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    workflowId: uuid("workflow_id").$type<WorkflowId>().notNull(),
    name: text("name").notNull(),
    /** JSON text of an array, see WorkflowTask. */
    tasks: text("tasks").notNull(),
    /** JSON text of an array, see WorkflowDependency. */
    dependencies: text("dependencies").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    createdBy: text("created_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.workflowId] })],
);
