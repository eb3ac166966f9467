// Graph versions with their steps and edges. Locks: the caller holds the plan row. Not here: the running rows of steps, see plans.ts.
import { and, desc, eq, lt } from "drizzle-orm";
import type { AnalysedEdge, GraphStep } from "../../domain/graph.ts";
import type { OrgId, PlanId } from "../../domain/id.ts";
import type { GraphRepository } from "../ports/graphs.ts";
import type { AddedPlan } from "./added-plan.ts";
import { bulkInsert } from "./bulk.ts";
import { arrayLiteral } from "./columns.ts";
import { ADD_GRAPH_EDGES, ADD_GRAPH_STEPS, ADD_VERSION, edgeOf, ofVersion, storedStepOf } from "./graph-rows.ts";
import { versionOf, versionOfRaw, versionRow } from "./graph-rows.ts";
import type { RawEdge, RawStep, RawVersion } from "./graph-rows.ts";
import { inPages, PAGE } from "./pages.ts";
import { placedValues, placeIds } from "./placed.ts";
import { graphVersions } from "./schema/graphs.ts";
import type { Session } from "./transaction.ts";

// A look-up for each key: with `key = ANY(…)` the planner compared every step with every key (2,000 by 8,000: 0.5 s).
const TAKEN =
  "SELECT g.key FROM unnest($4::text[]) AS v(key) CROSS JOIN LATERAL (SELECT x.key FROM maestro.graph_steps x " +
  "WHERE x.org_id = $1 AND x.plan_id = $2 AND x.version = $3 AND x.key = v.key LIMIT 1) g ORDER BY g.key";
const SET_STATE = "UPDATE maestro.graph_versions SET state = $4 WHERE org_id = $1 AND plan_id = $2 AND version = $3";

// Every commit asks for its version: the builder would cost it as much as the round trip.
const FIND_VERSION =
  "SELECT parent_version, state, digest, step_count, edge_count, analysis, constraints, reason, created_ms, created_by FROM maestro.graph_versions " +
  "WHERE org_id = $1 AND plan_id = $2 AND version = $3";
const STEPS_PAGE =
  "SELECT key, definition, fingerprint, level, expected_ms, earliest_ms, latest_ms, total_slack_ms, free_slack_ms, critical FROM maestro.graph_steps " +
  "WHERE org_id = $1 AND plan_id = $2 AND version = $3 AND key > $4 ORDER BY key LIMIT $5";
const EDGES_PAGE =
  "SELECT from_key, to_key, kind, regardless, redundant FROM maestro.graph_edges " +
  "WHERE org_id = $1 AND plan_id = $2 AND version = $3 AND (from_key, to_key) > ($4, $5) ORDER BY from_key, to_key LIMIT $6";

export function createGraphRepository(session: Session, added: AddedPlan): GraphRepository {
  const { run, send } = session;
  const insert = async (
    orgId: OrgId,
    planId: PlanId,
    version: number,
    steps: readonly GraphStep[],
    edges: readonly AnalysedEdge[],
  ): Promise<void> => {
    await bulkInsert(session, { orgId, planId }, ADD_GRAPH_STEPS, ofVersion(version, steps));
    await bulkInsert(session, { orgId, planId }, ADD_GRAPH_EDGES, ofVersion(version, edges));
  };
  const isVersion = (table: typeof graphVersions, orgId: OrgId, planId: PlanId, version: number) =>
    and(eq(table.orgId, orgId), eq(table.planId, planId), eq(table.version, version));
  const pageOfSteps = (orgId: OrgId, planId: PlanId, version: number, rest: readonly [string, number]) =>
    run<RawStep>(STEPS_PAGE, [orgId, planId, version, ...rest]);
  const pageOfEdges = (orgId: OrgId, planId: PlanId, version: number, rest: readonly [string, string, number]) =>
    run<RawEdge>(EDGES_PAGE, [orgId, planId, version, ...rest]);
  return {
    addVersion: async (version) => {
      if (added.addVersion(version)) return;
      send(ADD_VERSION.text, placedValues(placeIds([version]), ADD_VERSION.columns, version));
    },
    saveVersion: async (version) => {
      const { state, digest, stepCount, edgeCount, analysis, constraints, reason } = versionRow(version);
      await session.db
        .update(graphVersions)
        .set({ state, digest, stepCount, edgeCount, analysis, constraints, reason })
        .where(isVersion(graphVersions, version.orgId, version.planId, version.version));
    },
    setState: async (orgId, planId, version, state) => {
      if (added.setVersion(planId, version, state)) return;
      send(SET_STATE, [orgId, planId, version, state]);
    },
    findVersion: async (orgId, planId, version) => {
      const [row] = await run<RawVersion>(FIND_VERSION, [orgId, planId, version]);
      return row === undefined ? undefined : versionOfRaw({ orgId, planId, version }, row);
    },
    listVersions: async (orgId, planId, page) => {
      const [version] = (page.after ?? []) as [number?];
      const rows = await session.db
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
      await insert(orgId, planId, version, steps, []);
      return { taken: [] };
    },
    addGraph: async (orgId, planId, version, steps, edges) => {
      if (added.addGraph(planId, version, steps, edges)) return;
      await insert(orgId, planId, version, steps, edges);
    },
    replace: async (orgId, planId, version, steps, edges) => {
      for (const table of ["graph_steps", "graph_edges"])
        send(`DELETE FROM maestro.${table} WHERE org_id = $1 AND plan_id = $2 AND version = $3`, [
          orgId,
          planId,
          version,
        ]);
      await insert(orgId, planId, version, steps, edges);
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
