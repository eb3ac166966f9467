// How the database carries out the standing statements, as the application's role with row-level security on.
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { demandOf } from "../../src/domain/demand.ts";
import type { OrgId } from "../../src/domain/id.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import { queryText } from "../../src/store/postgres/goals.ts";
import { LOOKS } from "../../src/store/postgres/looks.ts";
import { PLAN_LIST, STANDING, STEP_VIEWS, UNFINISHED_BEFORE } from "../../src/store/postgres/plans.ts";
import { READY_STEPS, SCANS } from "../../src/store/postgres/scans.ts";
import { seeing } from "../../src/store/postgres/statement.ts";
import { asAdmin } from "../support/database.ts";
import { aStepRow } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { indexes, planOf as explain, scanned } from "./explain-support.ts";
import type { ExplainOptions } from "./explain-support.ts";

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
        await tx.executors.ensureDemands(demands(org));
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
            rows.slice(1).map(({ ordinal }) => ({ from: ordinal - 1, to: ordinal, regardless: false })),
          );
        }
      });
    }
    await asAdmin(it.database.adminUrl, async (admin) => {
      // A few plans of each org are open, and in a few of those something runs.
      await admin`UPDATE maestro.plans p SET committed_ms = 1, deadline_ms = g.created_ms, steps_running = (g.created_ms % 2)::int,
        finished_ms = CASE WHEN g.created_ms < 10 THEN NULL ELSE 1 END FROM maestro.goals g WHERE g.plan_id = p.plan_id`;
      await admin`INSERT INTO maestro.timers (org_id, plan_id, ordinal, due_ms) SELECT org_id, plan_id, ordinal, 9e15::bigint - ordinal FROM maestro.steps WHERE ordinal < 20`;
      await admin`INSERT INTO maestro.cascades (org_id, plan_id, frontier, created_ms) SELECT org_id, plan_id, '{1}', created_ms FROM maestro.goals`;
      await admin`ANALYZE`;
    });
    sql = postgres(it.database.url, { max: 1 });
  });
  afterAll(async () => {
    await sql.end();
    await it.end();
  });

  const planOf = (orgs: readonly OrgId[], text: string, parameters: readonly unknown[], options?: ExplainOptions) =>
    explain(sql, orgs, text, parameters, options);

  test("ready steps are read off the partial index, no more rows than asked for", async () => {
    const classes = demands(orgId);
    const nodes = await planOf([orgId], READY_STEPS, [
      literal(...classes.map(() => orgId)),
      literal(...classes.map((d) => d.demandId)),
      literal(-1, 500),
      20,
    ]);
    expect(indexes(nodes)).toEqual(["steps_ready"]);
    expect(scanned(nodes)).toEqual([]);
    const scan = nodes.find((node) => node["Index Name"] === "steps_ready");
    expect(scan).toMatchObject({ "Actual Loops": 2, "Actual Rows": 20 });
  });

  const literal = (...values: readonly unknown[]): string => `{${values.join(",")}}`;
  const nobody = "00000000-0000-0000-0000-000000000000";

  test("plans where something runs are found among the open ones, page by page", async () => {
    const nodes = await planOf([orgId], SCANS.runningPlans, [literal(orgId), literal(nobody), 3]);
    expect(indexes(nodes)).toEqual(["plans_open"]);
    expect(scanned(nodes)).toEqual([]);
    expect(nodes.find((node) => node["Index Name"] === "plans_open")).toMatchObject({ "Actual Rows": 3 });
  });

  test("leases of a session, and what steps wait for, are looked for in the plans that are named", async () => {
    const [plan] = await sql.begin(async (tx) => {
      await tx`SELECT set_config('maestro.orgs', ${literal(orgId)}, true)`;
      return tx<{ plan_id: string }[]>`SELECT plan_id FROM maestro.plans LIMIT 1`;
    });
    const nodes = await planOf([orgId], SCANS.leases, [literal(orgId), literal(plan?.plan_id), nobody]);
    expect(indexes(nodes)).toEqual(["steps_pkey"]);
    expect(scanned(nodes)).toEqual([]);
    expect(nodes.find((node) => node["Index Name"] === "steps_pkey")).toMatchObject({ "Rows Removed by Filter": 100 });
    const before = await planOf([orgId], UNFINISHED_BEFORE, [
      orgId,
      plan?.plan_id,
      literal(50, 51),
      literal("PENDING", "READY"),
    ]);
    expect(indexes(before).toSorted()).toEqual(["step_edges_pkey", "steps_pkey"]);
    expect(scanned(before)).toEqual([]);
    expect(before.find((node) => node["Index Name"] === "step_edges_pkey")).toMatchObject({ "Actual Rows": 2 });
  });

  test("one step is looked up by its key, and lists begin where their page begins", async () => {
    const [plan] = await sql.begin(async (tx) => {
      await tx`SELECT set_config('maestro.orgs', ${literal(orgId)}, true)`;
      return tx<{ plan_id: string }[]>`SELECT plan_id FROM maestro.plans LIMIT 1`;
    });
    const page = [orgId, String(plan?.plan_id), "", null, "50"];
    const step = await planOf([orgId], STEP_VIEWS.byKey, [...page, "step-000007"]);
    const found = step.find((node) => node["Index Name"] === "steps_by_key");
    expect(found).toMatchObject({ "Actual Rows": 1 });
    expect(found?.["Rows Removed by Filter"] ?? 0).toBe(0);
    expect(scanned(step)).toEqual([]);
    const from = [orgId, null, "10", "ffffffff-ffff-ffff-ffff-ffffffffffff", "5"];
    const list = await planOf([orgId], PLAN_LIST.all, from);
    const walk = list.find((node) => node["Index Name"] === "plans_by_time");
    expect(walk?.["Index Cond"]).toContain("ROW(created_ms, plan_id) <");
    const one = await planOf([orgId], PLAN_LIST.byId, [...from, String(plan?.plan_id)]);
    expect([indexes(one), scanned(one)]).toEqual([["plans_pkey"], []]);
  });

  test("a prepared statement is planned once, whatever its values", async () => {
    const client = openClient({ url: it.database.url, poolSize: 1 });
    const connection = await client.reserve();
    const [row] = await connection.unsafe<{ plan_cache_mode: string }[]>("SHOW plan_cache_mode");
    connection.release();
    await client.end();
    expect(row?.plan_cache_mode).toBe("force_generic_plan");
  });

  test.each([
    ["dueTimers", "timers_due", [50]],
    ["cascades", "cascades_by_age", [50]],
  ] as const)("%s walk along %s", async (scan, index, parameters) => {
    const nodes = await planOf([], SCANS[scan], parameters, { platform: true });
    expect(indexes(nodes)).toEqual([index]);
    expect(scanned(nodes)).toEqual([]);
    expect(nodes.some((node) => node["Node Type"] === "Sort")).toBe(false);
  });

  const look = (of: keyof typeof LOOKS): string => `${seeing({ prepare: true, lockMs: 0 })}${LOOKS[of]}`;
  const small = (names: readonly string[]): readonly string[] =>
    names.filter((name) => !["orgs", "installation", "server_sessions"].includes(name));

  test("a look at everything reads first rows, and of ready steps one for each demand class", async () => {
    const nodes = await planOf([], look("waiting"), [literal(orgId), 50]);
    const found = indexes(nodes);
    for (const name of ["timers_due", "cascades_by_age", "plans_by_deadline", "steps_ready"])
      expect(found).toContain(name);
    expect(small(scanned(nodes))).toEqual([]);
    expect(nodes.some((node) => node["Node Type"] === "Sort")).toBe(false);
    const steps = nodes.filter((node) => node["Index Name"] === "steps_ready");
    const read = steps.map((node) => Math.round((node["Actual Rows"] ?? 0) * (node["Actual Loops"] ?? 0)));
    // Before Postgres 18 the rows of a loop are told as a whole number: of one row in two loops nothing is left.
    const sum = read.reduce((all, rows) => all + rows, 0);
    expect(sum).toBeGreaterThan(0);
    expect(sum).toBeLessThanOrEqual(demands(orgId).length);
    expect(small(scanned(await planOf([], look("due"), [])))).toEqual([]);
  });

  test("steps of several plans are found by their keys, one look-up each", async () => {
    const [row] = await sql.begin(async (tx) => {
      await tx`SELECT set_config('maestro.orgs', ${literal(orgId)}, true)`;
      return tx<{ plan_id: string; key: string }[]>`SELECT plan_id, key FROM maestro.steps WHERE ordinal = 3 LIMIT 1`;
    });
    if (row === undefined) throw new Error("no step");
    const nodes = await planOf([orgId], STANDING, [orgId, literal(row.plan_id, nobody), literal(row.key, row.key)]);
    expect(indexes(nodes)).toEqual(["steps_by_key"]);
    expect(scanned(nodes)).toEqual([]);
    expect(nodes.find((node) => node["Index Name"] === "steps_by_key")).toMatchObject({ "Actual Loops": 2 });
  });

  test("a look for orgs that wait for a capability reads ready steps by their index, of the classes that ask for it", async () => {
    const nodes = await planOf([], look("readyFor"), ["gpu"]);
    expect(indexes(nodes)).toContain("steps_ready");
    expect(small(scanned(nodes)).filter((name) => name !== "demands")).toEqual([]);
    const [steps] = nodes.filter((node) => node["Index Name"] === "steps_ready");
    expect(steps?.["Actual Loops"]).toBe(3);
  });

  test("a renewal finds keys that were revoked by their index", async () => {
    const nodes = await planOf([], look("renew"), [nobody, 1, 1], { dry: true });
    expect(indexes(nodes)).toContain("api_keys_revoked");
    expect(small(scanned(nodes))).toEqual([]);
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
    const nodes = await planOf([orgId], text, parameters, { once: true });
    expect(indexes(nodes)).toContain("goal_terms_by_term");
    expect(scanned(nodes)).toEqual([]);
    expect(nodes.every((node) => (node["Rows Removed by Filter"] ?? 0) === 0)).toBe(true);
  });
});
