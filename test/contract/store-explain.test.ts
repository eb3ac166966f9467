// How the database carries out the standing statements, as the application's role with row-level security on.
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demandOf } from "../../src/domain/demand.ts";
import type { OrgId } from "../../src/domain/id.ts";
import { queryText } from "../../src/store/postgres/goals.ts";
import { READY_STEPS } from "../../src/store/postgres/scans.ts";
import { asAdmin } from "../support/database.ts";
import { aStepRow } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";

interface Node {
  readonly "Node Type": string;
  readonly "Relation Name"?: string;
  readonly "Index Name"?: string;
  readonly "Actual Rows"?: number;
  readonly "Actual Loops"?: number;
  readonly "Rows Removed by Filter"?: number;
  readonly Plans?: readonly Node[];
}

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  let sql: postgres.Sql;
  const demands = (org: OrgId) => [demandOf(org, "shell", {}, 0), demandOf(org, "gpu", {}, 0)] as const;

  beforeAll(async () => {
    it = await openStore(server);
    const orgs = [await addOrg(it.store), await addOrg(it.store), await addOrg(it.store)].map((o) => o.orgId);
    [orgId = "" as OrgId] = orgs;
    for (const org of orgs) {
      await it.store.transaction([org], async (tx) => {
        const charter = aCharter(org);
        await tx.charters.add(charter);
        for (let g = 0; g < 150; g++) {
          const goal = aGoal(
            charter,
            { createdMs: g, finishedMs: g % 3 === 0 ? g : null },
            { name: `g${String(g)}`, labels: { nr: String(g) } },
          );
          await tx.goals.add(goal);
          const [shell, gpu] = demands(org);
          const rows = Array.from({ length: 100 }, (_, i) =>
            aStepRow(
              goal.planId,
              i + 1,
              i < 2
                ? {
                    state: "READY",
                    orderKey: g * 10 + i,
                    readyMs: 1,
                    demandId: i === 0 ? shell.demandId : gpu.demandId,
                  }
                : {},
            ),
          );
          await tx.plans.addSteps(
            org,
            goal.planId,
            rows.map((row) => ({ row, input: null })),
            [],
          );
        }
      });
    }
    await asAdmin(it.database.adminUrl, (admin) => admin`ANALYZE`);
    sql = postgres(it.database.url, { max: 1 });
  });
  afterAll(async () => {
    await sql.end();
    await it.end();
  });

  /** The executed plan of a statement, flattened, in a transaction that sees these orgs. */
  const planOf = async (
    orgs: readonly OrgId[],
    text: string,
    parameters: readonly unknown[],
  ): Promise<readonly Node[]> =>
    sql.begin(async (tx) => {
      await tx`SELECT set_config('maestro.orgs', ${`{${orgs.join(",")}}`}, true)`;
      await tx`SET LOCAL random_page_cost = 1.1`;
      const [row] = await tx.unsafe<{ "QUERY PLAN": [{ Plan: Node }] }[]>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
        parameters as string[],
      );
      const nodes: Node[] = [];
      const walk = (node: Node): void => {
        nodes.push(node);
        node.Plans?.forEach(walk);
      };
      if (row !== undefined) walk(row["QUERY PLAN"][0].Plan);
      return nodes;
    });
  const indexes = (nodes: readonly Node[]): readonly string[] => nodes.flatMap((node) => node["Index Name"] ?? []);
  const scanned = (nodes: readonly Node[]): readonly string[] =>
    nodes.filter((node) => node["Node Type"] === "Seq Scan").flatMap((node) => node["Relation Name"] ?? []);

  test("ready steps are read off the partial index, no more rows than asked for", async () => {
    const classes = demands(orgId);
    const literal = (values: readonly unknown[]): string => `{${values.join(",")}}`;
    const nodes = await planOf([orgId], READY_STEPS, [
      literal(classes.map(() => orgId)),
      literal(classes.map((d) => d.demandId)),
      literal([-1, 500]),
      20,
    ]);
    expect(indexes(nodes)).toEqual(["steps_ready"]);
    expect(scanned(nodes)).toEqual([]);
    const scan = nodes.find((node) => node["Index Name"] === "steps_ready");
    expect(scan).toMatchObject({ "Actual Loops": 2, "Actual Rows": 20 });
  });

  test.each([
    [
      {
        columns: ["g.created_ms", "g.plan_id"],
        descending: true,
        only: null,
        after: [100, "ffffffff-ffff-7fff-bfff-ffffffffffff"],
      },
      "goals_by_time",
    ],
    [
      {
        columns: ["g.name", "g.plan_id"],
        descending: false,
        only: null,
        after: ["g5", "00000000-0000-7000-8000-000000000000"],
      },
      "goals_by_name",
    ],
    [
      { columns: ["g.finished_ms", "g.plan_id"], descending: true, only: "g.finished_ms IS NOT NULL", after: null },
      "goals_by_end",
    ],
    [{ columns: ["g.plan_id"], descending: false, only: "g.finished_ms IS NULL", after: null }, "goals_pkey"],
  ])("goals in the order $columns walk along an index", async (part, index) => {
    const { text, parameters } = queryText(orgId, { charterId: null, filter: null, order: "name" }, part, 5);
    const nodes = await planOf([orgId], text, parameters);
    expect(indexes(nodes)).toContain(index);
    expect(scanned(nodes)).toEqual([]);
    expect(nodes.some((node) => node["Node Type"] === "Sort")).toBe(false);
  });

  test("goals with a label are found by it, not by looking at every goal", async () => {
    const { text, parameters } = queryText(
      orgId,
      {
        charterId: null,
        filter: {
          kind: "compare",
          field: { kind: "label", name: "nr" },
          operator: "==",
          value: { kind: "text", value: "77" },
        },
        order: "created_at",
      },
      { columns: ["g.created_ms", "g.plan_id"], descending: false, only: null, after: null },
      50,
    );
    const nodes = await planOf([orgId], text, parameters);
    expect(indexes(nodes)).toContain("goal_terms_by_term");
    expect(scanned(nodes)).toEqual([]);
    expect(nodes.every((node) => (node["Rows Removed by Filter"] ?? 0) === 0)).toBe(true);
  });
});
