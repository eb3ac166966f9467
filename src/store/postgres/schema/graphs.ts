// Graph versions as they were asked for, with what their analysis found. Not here: statements.
import { bigint, boolean, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { EdgeKind, GraphState } from "../../../domain/graph.ts";
import type { OrgId, PlanId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const graphVersions = maestro.table(
  "graph_versions",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    version: integer("version").notNull(),
    parentVersion: integer("parent_version").notNull(),
    state: text("state").$type<GraphState>().notNull(),
    digest: text("digest").notNull(),
    stepCount: integer("step_count").notNull(),
    edgeCount: integer("edge_count").notNull(),
    /** JSON text. */
    analysis: text("analysis"),
    /** JSON text: new limits that a re-plan asked for. */
    constraints: text("constraints"),
    reason: text("reason").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    createdBy: text("created_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.version] })],
);

export const graphSteps = maestro.table(
  "graph_steps",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    version: integer("version").notNull(),
    key: text("key").notNull(),
    /** RFC 8785 text; its SHA-256 is the fingerprint. */
    definition: text("definition").notNull(),
    fingerprint: text("fingerprint").notNull(),
    level: integer("level").notNull(),
    expectedMs: bigint("expected_ms", { mode: "number" }).notNull(),
    earliestMs: bigint("earliest_ms", { mode: "number" }).notNull(),
    latestMs: bigint("latest_ms", { mode: "number" }).notNull(),
    totalSlackMs: bigint("total_slack_ms", { mode: "number" }).notNull(),
    freeSlackMs: bigint("free_slack_ms", { mode: "number" }).notNull(),
    critical: boolean("critical").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.version, t.key] })],
);

export const graphEdges = maestro.table(
  "graph_edges",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    version: integer("version").notNull(),
    fromKey: text("from_key").notNull(),
    toKey: text("to_key").notNull(),
    kind: text("kind").$type<EdgeKind>().notNull(),
    regardless: boolean("regardless").notNull(),
    redundant: boolean("redundant").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.version, t.fromKey, t.toKey] })],
);
