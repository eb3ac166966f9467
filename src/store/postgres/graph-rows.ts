// Graph versions, their steps and edges between the tables and the domain. Not here: statements.
import { stepOf } from "../../domain/graph/fingerprint.ts";
import type { AnalysedEdge, Analysis, GraphStep, GraphVersion } from "../../domain/graph.ts";
import type { Constraints } from "../../domain/goal.ts";
import type { BulkColumn } from "./columns.ts";
import { placedInsert, placedOne } from "./placed.ts";
import type { graphVersions } from "./schema/graphs.ts";

export interface OfVersion<T> {
  readonly version: number;
  readonly it: T;
}

export function ofVersion<T>(version: number, list: readonly T[]): readonly OfVersion<T>[] {
  return list.map((it) => ({ version, it }));
}

const VERSION: BulkColumn<OfVersion<unknown>> = { name: "version", type: "int", value: (o) => o.version };

export const ADD_GRAPH_STEPS = placedInsert<OfVersion<GraphStep>>("graph_steps", [
  VERSION,
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
export const ADD_GRAPH_EDGES = placedInsert<OfVersion<AnalysedEdge>>("graph_edges", [
  VERSION,
  { name: "from_key", type: "text", value: ({ it }) => it.from },
  { name: "to_key", type: "text", value: ({ it }) => it.to },
  { name: "kind", type: "text", value: ({ it }) => it.kind },
  { name: "regardless", type: "boolean", value: ({ it }) => it.regardless },
  { name: "redundant", type: "boolean", value: ({ it }) => it.redundant },
]);
export const ADD_VERSION = placedOne<GraphVersion>("graph_versions", [
  { name: "version", type: "int", value: (v) => v.version },
  { name: "parent_version", type: "int", value: (v) => v.parentVersion },
  { name: "state", type: "text", value: (v) => v.state },
  { name: "digest", type: "text", value: (v) => v.digest },
  { name: "step_count", type: "int", value: (v) => v.stepCount },
  { name: "edge_count", type: "int", value: (v) => v.edgeCount },
  { name: "analysis", type: "text", value: (v) => textOf(v.analysis) },
  { name: "constraints", type: "text", value: (v) => textOf(v.constraints) },
  { name: "reason", type: "text", value: (v) => v.reason },
  { name: "created_ms", type: "bigint", value: (v) => v.createdMs },
  { name: "created_by", type: "text", value: (v) => v.createdBy },
]);

export function versionRow(version: GraphVersion): typeof graphVersions.$inferInsert {
  return { ...version, analysis: textOf(version.analysis), constraints: textOf(version.constraints) };
}

function textOf(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

export function versionOf(row: typeof graphVersions.$inferSelect): GraphVersion {
  const { analysis, constraints } = row;
  return {
    ...row,
    analysis: analysis === null ? null : (JSON.parse(analysis) as Analysis),
    constraints: constraints === null ? null : (JSON.parse(constraints) as Constraints),
  };
}

type Row = typeof graphVersions.$inferSelect;

export interface RawVersion extends Pick<Row, "state" | "digest" | "analysis" | "constraints" | "reason"> {
  readonly parent_version: number;
  readonly step_count: number;
  readonly edge_count: number;
  readonly created_ms: number;
  readonly created_by: string;
}

export function versionOfRaw(of: Pick<GraphVersion, "orgId" | "planId" | "version">, raw: RawVersion): GraphVersion {
  return versionOf({
    ...of,
    parentVersion: raw.parent_version,
    state: raw.state,
    digest: raw.digest,
    stepCount: raw.step_count,
    edgeCount: raw.edge_count,
    analysis: raw.analysis,
    constraints: raw.constraints,
    reason: raw.reason,
    createdMs: raw.created_ms,
    createdBy: raw.created_by,
  });
}

export interface RawStep {
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

export function storedStepOf(raw: RawStep): GraphStep {
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

export interface RawEdge {
  readonly from_key: string;
  readonly to_key: string;
  readonly kind: AnalysedEdge["kind"];
  readonly regardless: boolean;
  readonly redundant: boolean;
}

export function edgeOf(raw: RawEdge): AnalysedEdge {
  return { from: raw.from_key, to: raw.to_key, kind: raw.kind, regardless: raw.regardless, redundant: raw.redundant };
}
