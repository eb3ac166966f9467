// The plan of a statement as the application's role gets it, flattened. Not here: expectations.
import type postgres from "postgres";
import type { OrgId } from "../../src/domain/id.ts";

export interface PlanNode {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Index Cond"?: string;
  readonly "Actual Rows"?: number;
  readonly "Actual Loops"?: number;
  readonly "Rows Removed by Filter"?: number;
  readonly "Rows Removed by Join Filter"?: number;
  readonly "Rows Removed by Index Recheck"?: number;
  readonly Plans?: readonly PlanNode[];
}

export interface ExplainOptions {
  /** Also the platform's tables. */
  readonly platform?: boolean;
  /** Only planned, not executed: for statements that write. */
  readonly dry?: boolean;
  /** Planned for these parameters alone, as statements that do not come again are; otherwise it is the plan that serves any. */
  readonly once?: boolean;
}

/** The plan of a statement in a transaction that sees these orgs, with the settings of the application's connections. */
export async function planOf(
  sql: postgres.Sql,
  orgs: readonly OrgId[],
  text: string,
  parameters: readonly unknown[],
  { platform = false, dry = false, once = false }: ExplainOptions = {},
): Promise<readonly PlanNode[]> {
  return sql.begin(async (tx) => {
    await tx`SELECT set_config('maestro.orgs', ${`{${orgs.join(",")}}`}, true), set_config('maestro.platform', ${platform ? "on" : ""}, true)`;
    await tx`SET LOCAL random_page_cost = 1.1`;
    if (!once) {
      await tx`SET LOCAL plan_cache_mode = force_generic_plan`;
      await tx`SET LOCAL enable_seqscan = off`;
      await tx`SET LOCAL max_parallel_workers_per_gather = 0`;
      // Bound parameters are planned with their values whatever the mode says: only a statement that is prepared is not.
      await tx.unsafe(`PREPARE explained AS ${text}`);
    }
    const what = once
      ? text
      : `EXECUTE explained${parameters.length === 0 ? "" : `(${parameters.map(literal).join(", ")})`}`;
    const [row] = await tx.unsafe<{ "QUERY PLAN": [{ Plan: PlanNode }] }[]>(
      `EXPLAIN (${dry ? "" : "ANALYZE, "}FORMAT JSON) ${what}`,
      once ? (parameters as string[]) : [],
    );
    if (!once) await tx.unsafe("DEALLOCATE explained");
    const nodes: PlanNode[] = [];
    const walk = (node: PlanNode): void => {
      nodes.push(node);
      node.Plans?.forEach(walk);
    };
    if (row !== undefined) walk(row["QUERY PLAN"][0].Plan);
    return nodes;
  });
}

function literal(parameter: unknown): string {
  if (typeof parameter !== "string" && typeof parameter !== "number") return "NULL";
  return `'${String(parameter).replaceAll("'", "''")}'`;
}

export function indexes(nodes: readonly PlanNode[]): readonly string[] {
  return nodes.flatMap((node) => node["Index Name"] ?? []);
}

/** The most rows that one node of the plan looks at. */
export function looksAt(nodes: readonly PlanNode[]): number {
  return Math.max(
    ...nodes.map(
      (node) =>
        (node["Actual Loops"] ?? 1) *
        ((node["Actual Rows"] ?? 0) +
          (node["Rows Removed by Filter"] ?? 0) +
          (node["Rows Removed by Join Filter"] ?? 0) +
          (node["Rows Removed by Index Recheck"] ?? 0)),
    ),
  );
}

/** Relations that are read from end to end. */
export function scanned(nodes: readonly PlanNode[]): readonly string[] {
  return nodes.filter((node) => node["Node Type"] === "Seq Scan").flatMap((node) => node["Relation Name"] ?? []);
}
