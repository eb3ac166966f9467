// How the database carries out the statements of release governance, as the application's role: along which index, and that what
// they look at is what they are asked for, however many runs an owner has or stand alike. Not here: what they find.
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OrgId } from "../../src/domain/id.ts";
import type { RunStatus } from "../../src/domain/run.ts";
import { DISCLOSURE_PACKS } from "../../src/store/postgres/disclosure-packs.ts";
import { RUN_ARTIFACTS } from "../../src/store/postgres/run-artifacts.ts";
import { RUNS } from "../../src/store/postgres/runs.ts";
import { SIGNING_KEYS } from "../../src/store/postgres/signing-keys.ts";
import { WAIVERS } from "../../src/store/postgres/waivers.ts";
import { WORKFLOWS } from "../../src/store/postgres/workflows.ts";
import { asAdmin } from "../support/database.ts";
import { aCharter, addOrg, aGoal, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { indexes, looksAt, planOf, scanned } from "./explain-support.ts";

const MANY = 4_000;
const PAGE = 20;

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  let sql: postgres.Sql;
  let plan: string;
  let runs: string;

  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
    const other = await addOrg(it.store);
    const goal = await it.store.transaction([orgId], async (tx) => {
      const charter = aCharter(orgId);
      await tx.charters.add(charter);
      for (let i = 0; i < 200; i++) await tx.charters.add(aCharter(orgId, `charter ${String(i)}`));
      const made = aGoal(charter);
      await tx.goals.add(made);
      return made;
    });
    plan = goal.planId;
    await asAdmin(it.database.adminUrl, async (admin) => {
      // Told ones and plans by turns: nearly all have succeeded and are one owner's; every hundredth has not, or is another's.
      const told = (org: string) => admin`
        INSERT INTO maestro.runs (org_id, run_id, is_plan, name, owner, status, started_ms, related_entity_ids, related_decision_ids, metadata, created_ms, created_by)
        SELECT ${org}::uuid, gen_random_uuid(), false, 'n', CASE WHEN n % 100 = 3 THEN 'rare' ELSE 'many' END,
          CASE WHEN n % 100 = 5 THEN 'FAILED' WHEN n % 100 = 7 THEN 'RUNNING' ELSE 'SUCCEEDED' END, n, '[]', '[]', '{}', n, 'a' FROM generate_series(1, ${MANY}) AS g(n)`;
      await told(orgId);
      await told(other.orgId);
      const [columns] = await admin<{ names: string }[]>`
        SELECT string_agg(quote_ident(attname), ', ') AS names FROM pg_attribute
        WHERE attrelid = 'maestro.plans'::regclass AND attnum > 0 AND attname NOT IN ('plan_id', 'state', 'created_ms', 'committed_ms')`;
      const names = columns?.names ?? "";
      await admin.unsafe(
        `INSERT INTO maestro.plans (plan_id, state, created_ms, committed_ms, ${names}) SELECT gen_random_uuid(), ` +
          `CASE WHEN n % 100 = 5 THEN 'FAILED' WHEN n % 100 = 7 THEN 'ACTIVE' WHEN n % 200 = 9 THEN 'SUSPENDED' ELSE 'COMPLETED' END, n, n, ${names} ` +
          `FROM maestro.plans CROSS JOIN generate_series(1, ${String(MANY)}) AS g(n)`,
      );
      await admin`
        INSERT INTO maestro.runs (org_id, run_id, is_plan, name, owner, started_ms, related_entity_ids, related_decision_ids, metadata, created_ms, created_by)
        SELECT org_id, plan_id, true, 'n', CASE WHEN created_ms % 100 = 3 THEN 'rare' ELSE 'many' END, created_ms, '[]', '[]', '{}', created_ms, 'a' FROM maestro.plans`;
      await admin`
        INSERT INTO maestro.steps SELECT p.org_id, p.plan_id, n, 's' || n, 1, n % 2 = 0, 'SUCCEEDED', false, false, 0, NULL, gen_random_uuid(), 0, 0, 1, 0, 0, 0, 0, 1, 0, 3
        FROM maestro.plans p CROSS JOIN generate_series(1, 1000) AS g(n) WHERE p.plan_id = ${plan}`;
      await admin`
        INSERT INTO maestro.run_artifacts SELECT r.org_id, gen_random_uuid(), r.run_id, CASE WHEN r.created_ms % 100 = 3 THEN 'SBOM' ELSE 'OTHER' END, 'u', '', false, false, false, '{}', r.created_ms, 'a', NULL, NULL, NULL
        FROM maestro.runs r`;
      await admin`
        INSERT INTO maestro.run_artifacts SELECT s.org_id, gen_random_uuid(), s.plan_id, 'OTHER', 'u', '', false, false, false, '{}', s.ordinal, 'a', s.key, s.ordinal, s.fencing FROM maestro.steps s WHERE s.plan_id = ${plan}`;
      await admin`INSERT INTO maestro.disclosure_packs SELECT org_id, gen_random_uuid(), run_id, 's', '[]', '[]', run_id::text, created_ms, 'a' FROM maestro.runs`;
      await admin`INSERT INTO maestro.workflows SELECT org_id, gen_random_uuid(), 'n', '[]', '[]', created_ms, 'a' FROM maestro.runs`;
      await admin`INSERT INTO maestro.waivers SELECT org_id, gen_random_uuid(), run_id, 'r', NULL, 'r', 'g', created_ms, created_ms + 1, NULL, NULL, '{}' FROM maestro.runs`;
      await admin`INSERT INTO maestro.signing_keys SELECT ${orgId}::uuid, 'sha256:' || lpad(to_hex(n), 64, '0'), 'p', 'p', n FROM generate_series(1, 3) AS g(n)`;
      await admin`ANALYZE`;
      const ids = await admin<
        { run_id: string }[]
      >`SELECT run_id FROM maestro.runs WHERE org_id = ${orgId} ORDER BY random() LIMIT 50`;
      runs = `{${ids.map(({ run_id }) => run_id).join(",")}}`;
    });
    sql = postgres(it.database.url, { max: 1 });
  });
  afterAll(async () => {
    await sql.end();
    await it.end();
  });

  const NEWEST = [String(Number.MAX_SAFE_INTEGER), "ffffffff-ffff-ffff-ffff-ffffffffffff"];
  const MIDDLE = [String(MANY / 2), "ffffffff-ffff-ffff-ffff-ffffffffffff"];
  const explained = async (text: string, ...parameters: readonly (string | number)[]) => {
    const nodes = await planOf(sql, [orgId], text, parameters);
    expect(scanned(nodes), text).toEqual([]);
    return { looks: looksAt(nodes), by: [...new Set(indexes(nodes))].toSorted() };
  };

  test("runs are looked up one by one, with their plans and charters, whatever else there is", async () => {
    const { looks, by } = await explained(RUNS.find, orgId, runs);
    expect(by).toEqual(["charters_pkey", "plans_pkey", "runs_pkey"]);
    expect(looks).toBeLessThanOrEqual(50);
  });

  test.each([
    ["all", RUNS.list, [], "runs_by_time"],
    ["of an owner", RUNS.listOfOwner, ["rare"], "runs_by_owner"],
    ["of an owner of many", RUNS.listOfOwner, ["many"], "runs_by_owner"],
  ] as const)(
    "the list of runs, %s, is a walk along its index, from where the page begins",
    async (_, text, of, index) => {
      for (const from of [NEWEST, MIDDLE]) {
        const { looks, by } = await explained(text, orgId, ...from, PAGE, ...of);
        expect(by).toContain(index);
        expect(looks).toBeLessThanOrEqual(PAGE + 1);
      }
    },
  );

  test.each(["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"] as const)(
    "runs that are %s are read off both indexes of states, a page of each at most",
    async (status: RunStatus) => {
      const { looks, by } = await explained(RUNS.listOfStatus[status], orgId, ...MIDDLE, PAGE);
      expect(by).toEqual(expect.arrayContaining(["plans_by_state", "runs_by_status"]));
      // Of as many sources as there are, each gives a page; RUNNING has four.
      expect(looks).toBeLessThanOrEqual(4 * PAGE);
    },
  );

  test.each([
    ["many", "FAILED"],
    ["many", "RUNNING"],
    ["many", "SUCCEEDED"],
    ["rare", "SUCCEEDED"],
    ["rare", "FAILED"],
    ["many", "CANCELLED"],
    ["nobody", "SUCCEEDED"],
  ] as const)(
    "runs of %s that are %s: neither all of the owner's nor all that stand there are read",
    async (owner, status) => {
      const { looks, by } = await explained(RUNS.listOfOwnerAndStatus[status], orgId, ...NEWEST, PAGE, owner);
      expect(by).toEqual(expect.arrayContaining(["plans_by_state", "runs_by_owner", "runs_by_status"]));
      // As many hops as the shorter of the two has rows.
      expect(looks).toBeLessThanOrEqual(6 * PAGE);
    },
  );

  test("artifacts are looked up one by one, and their lists walk along an index of what is asked for", async () => {
    const ids = await asAdmin(
      it.database.adminUrl,
      (admin) =>
        admin<
          { artifact_id: string }[]
        >`SELECT artifact_id FROM maestro.run_artifacts WHERE org_id = ${orgId} LIMIT 50`,
    );
    const found = await explained(RUN_ARTIFACTS.find, orgId, `{${ids.map((it) => it.artifact_id).join(",")}}`);
    expect(found).toEqual({ by: ["run_artifacts_pkey"], looks: 50 });
    const page = [orgId, ...MIDDLE, PAGE] as const;
    expect(await explained(RUN_ARTIFACTS.list, ...page)).toEqual({ by: ["run_artifacts_by_time"], looks: PAGE });
    expect(await explained(RUN_ARTIFACTS.listOfKind, ...page, "SBOM")).toEqual({
      by: ["run_artifacts_by_kind"],
      looks: PAGE,
    });
    expect(await explained(RUN_ARTIFACTS.listOfRun, ...page, plan)).toEqual({
      by: ["run_artifacts_by_run"],
      looks: PAGE,
    });
    expect((await explained(RUN_ARTIFACTS.listOfRunAndKind, ...page, plan, "OTHER")).by).toEqual([
      "run_artifacts_by_run",
    ]);
  });

  test("what stands is a walk along the run's artifacts with one look at the step of each", async () => {
    const { looks, by } = await explained(RUN_ARTIFACTS.standing, orgId, ...NEWEST, PAGE, plan);
    expect(by).toEqual(["run_artifacts_by_run", "steps_pkey"]);
    // Every second step has no place any more.
    expect(looks).toBeLessThanOrEqual(2 * PAGE + 1);
  });

  test("packs, workflows, waivers and keys are found by key, and listed along an index from where the page begins", async () => {
    const page = [orgId, ...MIDDLE, PAGE] as const;
    const lists = [
      [DISCLOSURE_PACKS.list, [], "disclosure_packs_by_time"],
      [DISCLOSURE_PACKS.listOfRun, [plan], "disclosure_packs_by_run"],
      [WORKFLOWS.list, [], "workflows_by_time"],
      [WAIVERS.list, [], "waivers_by_time"],
      [WAIVERS.listOfRun, [plan], "waivers_by_run"],
    ] as const;
    for (const [text, of, index] of lists) {
      const { looks, by } = await explained(text, ...page, ...of);
      expect(by).toEqual([index]);
      expect(looks).toBeLessThanOrEqual(PAGE);
    }
    const { looks, by } = await explained(WAIVERS.standing, orgId, plan, 0, PAGE);
    expect(by).toEqual(["waivers_standing"]);
    expect(looks).toBeLessThanOrEqual(PAGE);
    for (const [text, index] of [
      [DISCLOSURE_PACKS.find, "disclosure_packs_pkey"],
      [WORKFLOWS.find, "workflows_pkey"],
      [WAIVERS.find, "waivers_pkey"],
      [WAIVERS.lock, "waivers_pkey"],
      [RUNS.lock, "runs_pkey"],
    ] as const)
      expect(await explained(text, orgId, plan)).toMatchObject({ by: [index] });
    expect((await explained(SIGNING_KEYS.list, orgId, ...[NEWEST[0] ?? "", "t"], 1)).by).toEqual(["signing_keys_pkey"]);
  });
});
