// Goals; a goal and its plan share one UUID. Not here: statements.
import { bigint, integer, jsonb, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { GoalState } from "../../../domain/goal.ts";
import type { CharterId, OrgId, PlanId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const goals = maestro.table(
  "goals",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    charterId: uuid("charter_id").$type<CharterId>().notNull(),
    charterRevision: integer("charter_revision").notNull(),
    name: text("name").notNull(),
    intent: text("intent").notNull(),
    /** Store text of a payload, see domain/payload.ts. */
    inputs: text("inputs"),
    /** JSON text. */
    constraints: text("constraints").notNull(),
    labels: jsonb("labels").$type<Readonly<Record<string, string>>>().notNull(),
    /** By name: text, number and flag as JSON values, time as {"time": epoch ms}. */
    attributes: jsonb("attributes").$type<Readonly<Record<string, unknown>>>().notNull(),
    state: text("state").$type<GoalState>().notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    createdBy: text("created_by").notNull(),
    finishedMs: bigint("finished_ms", { mode: "number" }),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId] })],
);

/** Labels and attributes by a digest of name and value, for filters by equality. */
export const goalTerms = maestro.table(
  "goal_terms",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    term: uuid("term").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.term] })],
);
