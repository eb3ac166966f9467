// Graph versions with their steps and edges. Locks: the caller holds the plan row. Not here: the running rows of steps, see plans.ts.
import { and, desc, eq, lt } from "drizzle-orm";
import { stepOf } from "../../domain/graph/fingerprint.ts";
import type { AnalysedEdge, Analysis, GraphStep, GraphVersion } from "../../domain/graph.ts";
import type { Constraints } from "../../domain/goal.ts";
import type { OrgId, PlanId } from "../../domain/id.ts";
import type { GraphRepository } from "../ports/graphs.ts";
import { arrayLiteral } from "./columns.ts";
import { bulkInsert, bulkInto, insertOneText, valuesOf } from "./bulk.ts";
import type { BulkColumn } from "./columns.ts";
import { inPages, PAGE } from "./pages.ts";
import { graphVersions } from "./schema/graphs.ts";
import type { Session } from "./transaction.ts";

interface OfVersion<T> {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly version: number;
  readonly it: T;
}

function keys<T>(): readonly BulkColumn<OfVersion<T>>[] {
  return [
    { name: "org_id", type: "uuid", value: (o) => o.orgId },
    { name: "plan_id", type: "uuid", value: (o) => o.planId },
    { name: "version", type: "int", value: (o) => o.version },
  ];
}

const STEPS = bulkInto<OfVersion<GraphStep>>("graph_steps", [
  ...keys<GraphStep>(),
  { name: "key", type: "text", value: ({ it }) => it.definition.key },
  { name: "definition", type: "text", value: ({ it }) => it.definitionText },
  { name: "fingerprint", type: "text", value: ({ it }) => it.fingerprint },
  { name: "level", type: "int", value: ({ it }) => it.level },
  { name: "expected_ms", type: "bigint", value: ({ it }) => it.expectedMs },
  { name: "earliest_ms", type: "bigint", value: ({ it }) => it.earliestMs },
  { name: "latest_ms", type: "bigint", value: ({ it }) => it.latestMs },
  { name: "total_slack_ms", type: "bigint", value: ({ it }) => it.totalSlackMs },
  { name: "free_slack_ms", type: "bigint", value: ({ it }) => it.freeSlackMs },
  { name: "critical", type: "boolean", value: ({ it }) => it.critical },
]);
const EDGES = bulkInto<OfVersion<AnalysedEdge>>("graph_edges", [
  ...keys<AnalysedEdge>(),
  { name: "from_key", type: "text", value: ({ it }) => it.from },
  { name: "to_key", type: "text", value: ({ it }) => it.to },
  { name: "kind", type: "text", value: ({ it }) => it.kind },
  { name: "regardless", type: "boolean", value: ({ it }) => it.regardless },
  { name: "redundant", type: "boolean", value: ({ it }) => it.redundant },
]);
const VERSION: readonly BulkColumn<typeof graphVersions.$inferInsert>[] = [
  { name: "org_id", type: "uuid", value: (v) => v.orgId },
  { name: "plan_id", type: "uuid", value: (v) => v.planId },
  { name: "version", type: "int", value: (v) => v.version },
  { name: "parent_version", type: "int", value: (v) => v.parentVersion },
  { name: "state", type: "text", value: (v) => v.state },
  { name: "digest", type: "text", value: (v) => v.digest },
  { name: "step_count", type: "int", value: (v) => v.stepCount },
  { name: "edge_count", type: "int", value: (v) => v.edgeCount },
  { name: "analysis", type: "text", value: (v) => v.analysis },
  { name: "constraints", type: "text", value: (v) => v.constraints },
  { name: "reason", type: "text", value: (v) => v.reason },
  { name: "created_ms", type: "bigint", value: (v) => v.createdMs },
  { name: "created_by", type: "text", value: (v) => v.createdBy },
];
const ADD_VERSION = insertOneText("graph_versions", VERSION);
// A look-up for each key: with `key = ANY(…)` the planner compared every step with every key (2,000 by 8,000: 0.5 s).
const TAKEN =
  "SELECT g.key FROM unnest($4::text[]) AS v(key) CROSS JOIN LATERAL (SELECT x.key FROM maestro.graph_steps x " +
  "WHERE x.org_id = $1 AND x.plan_id = $2 AND x.version = $3 AND x.key = v.key LIMIT 1) g ORDER BY g.key";
const SET_STATE = "UPDATE maestro.graph_versions SET state = $4 WHERE org_id = $1 AND plan_id = $2 AND version = $3";

const STEPS_PAGE =
  "SELECT key, definition, fingerprint, level, expected_ms, earliest_ms, latest_ms, total_slack_ms, free_slack_ms, critical FROM maestro.graph_steps " +
  "WHERE org_id = $1 AND plan_id = $2 AND version = $3 AND key > $4 ORDER BY key LIMIT $5";
const EDGES_PAGE =
  "SELECT from_key, to_key, kind, regardless, redundant FROM maestro.graph_edges " +
  "WHERE org_id = $1 AND plan_id = $2 AND version = $3 AND (from_key, to_key) > ($4, $5) ORDER BY from_key, to_key LIMIT $6";

export function createGraphRepository(session: Session): GraphRepository {
  const { db, run, send } = session;
  const insertSteps = async (
    orgId: OrgId,
    planId: PlanId,
    version: number,
    steps: readonly GraphStep[],
  ): Promise<void> =>
    bulkInsert(
      session,
      STEPS,
      steps.map((it) => ({ orgId, planId, version, it })),
    );
  const insertEdges = async (
    orgId: OrgId,
    planId: PlanId,
    version: number,
    edges: readonly AnalysedEdge[],
  ): Promise<void> =>
    bulkInsert(
      session,
      EDGES,
      edges.map((it) => ({ orgId, planId, version, it })),
    );
  const ofVersion = (table: typeof graphVersions, orgId: OrgId, planId: PlanId, version: number) =>
    and(eq(table.orgId, orgId), eq(table.planId, planId), eq(table.version, version));
  const pageOfSteps = (orgId: OrgId, planId: PlanId, version: number, rest: readonly [string, number]) =>
    run<RawStep>(STEPS_PAGE, [orgId, planId, version, ...rest]);
  const pageOfEdges = (orgId: OrgId, planId: PlanId, version: number, rest: readonly [string, string, number]) =>
    run<RawEdge>(EDGES_PAGE, [orgId, planId, version, ...rest]);
  return {
    addVersion: async (version) => {
      send(ADD_VERSION, valuesOf(VERSION, versionRow(version)));
    },
    saveVersion: async (version) => {
      const { state, digest, stepCount, edgeCount, analysis, constraints, reason } = versionRow(version);
      await db
        .update(graphVersions)
        .set({ state, digest, stepCount, edgeCount, analysis, constraints, reason })
        .where(ofVersion(graphVersions, version.orgId, version.planId, version.version));
    },
    setState: async (orgId, planId, version, state) => {
      send(SET_STATE, [orgId, planId, version, state]);
    },
    findVersion: async (orgId, planId, version) => {
      const [row] = await db
        .select()
        .from(graphVersions)
        .where(ofVersion(graphVersions, orgId, planId, version));
      return row === undefined ? undefined : versionOf(row);
    },
    listVersions: async (orgId, planId, page) => {
      const [version] = (page.after ?? []) as [number?];
      const rows = await db
        .select()
        .from(graphVersions)
        .where(
          and(
            eq(graphVersions.orgId, orgId),
            eq(graphVersions.planId, planId),
            version === undefined ? undefined : lt(graphVersions.version, version),
          ),
        )
        .orderBy(desc(graphVersions.version))
        .limit(page.limit);
      return rows.map(versionOf);
    },
    addSteps: async (orgId, planId, version, steps) => {
      const keys = steps.map((step) => step.definition.key);
      const rows = await run<{ key: string }>(TAKEN, [orgId, planId, version, arrayLiteral("text", keys)]);
      if (rows.length > 0) return { taken: rows.map(({ key }) => key) };
      await insertSteps(orgId, planId, version, steps);
      return { taken: [] };
    },
    addGraph: async (orgId, planId, version, steps, edges) => {
      await insertSteps(orgId, planId, version, steps);
      await insertEdges(orgId, planId, version, edges);
    },
    replace: async (orgId, planId, version, steps, edges) => {
      for (const table of ["graph_steps", "graph_edges"])
        send(`DELETE FROM maestro.${table} WHERE org_id = $1 AND plan_id = $2 AND version = $3`, [
          orgId,
          planId,
          version,
        ]);
      await insertSteps(orgId, planId, version, steps);
      await insertEdges(orgId, planId, version, edges);
    },
    // Whole graphs may have 100,000 rows: they come in pages, so that no turn of the event loop has to read them all.
    steps: (orgId, planId, version) =>
      inPages((after) => pageOfSteps(orgId, planId, version, [after?.key ?? "", PAGE]), storedStepOf),
    edges: (orgId, planId, version) =>
      inPages(
        (after) => pageOfEdges(orgId, planId, version, [after?.from_key ?? "", after?.to_key ?? "", PAGE]),
        edgeOf,
      ),
    listSteps: async (orgId, planId, version, page) => {
      const [key = ""] = (page.after ?? []) as [string?];
      return (await pageOfSteps(orgId, planId, version, [key, page.limit])).map(storedStepOf);
    },
    listEdges: async (orgId, planId, version, page) => {
      const [from = "", to = ""] = (page.after ?? []) as [string?, string?];
      return (await pageOfEdges(orgId, planId, version, [from, to, page.limit])).map(edgeOf);
    },
  };
}

function versionRow(version: GraphVersion): typeof graphVersions.$inferInsert {
  const { analysis, constraints } = version;
  return {
    ...version,
    analysis: analysis === null ? null : JSON.stringify(analysis),
    constraints: constraints === null ? null : JSON.stringify(constraints),
  };
}

function versionOf(row: typeof graphVersions.$inferSelect): GraphVersion {
  const { analysis, constraints } = row;
  return {
    ...row,
    analysis: analysis === null ? null : (JSON.parse(analysis) as Analysis),
    constraints: constraints === null ? null : (JSON.parse(constraints) as Constraints),
  };
}

interface RawStep {
  readonly key: string;
  readonly definition: string;
  readonly fingerprint: string;
  readonly level: number;
  readonly expected_ms: number;
  readonly earliest_ms: number;
  readonly latest_ms: number;
  readonly total_slack_ms: number;
  readonly free_slack_ms: number;
  readonly critical: boolean;
}

function storedStepOf(raw: RawStep): GraphStep {
  return stepOf({
    definitionText: raw.definition,
    fingerprint: raw.fingerprint,
    level: raw.level,
    expectedMs: raw.expected_ms,
    earliestMs: raw.earliest_ms,
    latestMs: raw.latest_ms,
    totalSlackMs: raw.total_slack_ms,
    freeSlackMs: raw.free_slack_ms,
    critical: raw.critical,
  });
}

interface RawEdge {
  readonly from_key: string;
  readonly to_key: string;
  readonly kind: AnalysedEdge["kind"];
  readonly regardless: boolean;
  readonly redundant: boolean;
}

function edgeOf(raw: RawEdge): AnalysedEdge {
  return { from: raw.from_key, to: raw.to_key, kind: raw.kind, regardless: raw.regardless, redundant: raw.redundant };
}
