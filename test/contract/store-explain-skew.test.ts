// One large plan among many small ones, as the application's role: what a statement looks at is what it asks for, although the
// plan that serves all values takes every plan to be small. Not here: which index serves what, see store-explain.test.ts.
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Goal } from "../../src/domain/goal.ts";
import type { OrgId } from "../../src/domain/id.ts";
import { createApprovalRepository } from "../../src/store/postgres/approvals.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import { ALIKE, PLAN_LIST, STEP_ATTEMPTS, STEP_VIEWS, UNFINISHED_BEFORE } from "../../src/store/postgres/plans.ts";
import { NEEDS } from "../../src/store/postgres/slice.ts";
import { inTransaction } from "../../src/store/postgres/transaction.ts";
import { systemRandom } from "../../src/support/random.ts";
import { asAdmin } from "../support/database.ts";
import { aGraphStep, aStepRow, aVersion, anAttempt, anEdge, changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { looksAt, planOf as explain } from "./explain-support.ts";
import { noting } from "./noting.ts";
import type { Sent } from "./noting.ts";

const LARGE = 4_000;
const SMALL = 8;
const PLANS = 400;

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  let large: Goal;
  let sql: postgres.Sql;

  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
    const charter = aCharter(orgId);
    await it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(charter);
      for (let i = 0; i <= PLANS; i++) {
        const goal = aGoal(charter, { createdMs: i });
        if (i === PLANS) large = goal;
        const rows = Array.from({ length: i === PLANS ? LARGE : SMALL }, (_, n) => aStepRow(goal.planId, n + 1));
        const plan = await tx.goals.add(goal);
        await tx.graphs.addVersion({ ...aVersion(goal), state: "ACTIVE" });
        await tx.graphs.addGraph(
          orgId,
          goal.planId,
          1,
          rows.map(({ key }) => aGraphStep(key)),
          rows.slice(1).map(({ key }, n) => anEdge(rows[n]?.key ?? "", key)),
        );
        await tx.plans.addSteps(
          orgId,
          goal.planId,
          rows.map((row) => ({ row, input: { text: "j{}", effectiveDigest: "e" } })),
          rows.slice(1).map(({ ordinal }) => ({ from: ordinal - 1, to: ordinal, regardless: false })),
        );
        await tx.plans.save(
          changesOf(
            { ...plan, state: "ACTIVE", activeVersion: 1, nextOrdinal: rows.length + 1 },
            { attempts: rows.map(({ ordinal }) => anAttempt(goal.planId, ordinal, 1)) },
          ),
        );
      }
    });
    await asAdmin(it.database.adminUrl, async (admin) => {
      await admin`INSERT INTO maestro.approvals (org_id, plan_id, approval_id, subject, ordinal, step, version, digest, state, question, requested_by, requested_ms, decided_by, decided_ms, comment, context)
        SELECT ${orgId}::uuid, ${large.planId}::uuid, gen_random_uuid(), 'STEP', n, 's', 1, 'd', CASE WHEN n % 500 = 0 THEN 'PENDING' ELSE 'APPROVED' END, 'q', 'r', n,
          CASE WHEN n % 500 = 0 THEN NULL ELSE 'd' END, CASE WHEN n % 500 = 0 THEN NULL ELSE n END, '', '{}' FROM generate_series(1, 5000) AS g(n)`;
      await admin`ANALYZE`;
    });
    sql = postgres(it.database.url, { max: 1 });
  });
  afterAll(async () => {
    await sql.end();
    await it.end();
  });

  const work = async (text: string, parameters: readonly unknown[]): Promise<number> =>
    looksAt(await explain(sql, [orgId], text, parameters));
  const few = "{1000,2000}";
  const keys = "{step-001000,step-002000}";

  test("pages of steps look at the steps of the page", async () => {
    const page = (after: string) => [orgId, large.planId, after, null, 50];
    for (const after of ["", "step-002000"]) expect(await work(STEP_VIEWS.all, page(after))).toBeLessThanOrEqual(51);
    expect(await work(STEP_VIEWS.byKey, [...page(""), "step-003000"])).toBeLessThanOrEqual(2);
    expect(await work(STEP_ATTEMPTS, [orgId, large.planId, "step-003000", 0, 0, 50])).toBeLessThanOrEqual(2);
  });

  test("dropped rows, single rows and what they consumed are looked up", async () => {
    const at = [orgId, large.planId];
    expect(await work(STEP_VIEWS.byOrdinal, [...at, 3_000])).toBeLessThanOrEqual(3);
    for (const [text, rest] of [
      [STEP_VIEWS.dropped, ["step-001000", 0, "{COMPENSATION_FAILED}", 50]],
      [STEP_VIEWS.droppedByKey, ["step-001000", "{COMPENSATION_FAILED}", 50]],
      [NEEDS.consumed, [keys, 1, 1]],
    ] as const)
      expect(await work(text, [...at, ...rest])).toBeLessThanOrEqual(4);
    expect(await work(ALIKE, [...at, "step-001000", "step-001050", "step-0010%"])).toBeLessThanOrEqual(51);
  });

  test.each([
    ["steps", few],
    ["childrenOf", few],
    ["definitions", few],
    ["results", keys],
  ] as const)("of %s a decision is given what it asked for, and nothing else is read", async (name, asked) => {
    expect(await work(NEEDS[name], [orgId, large.planId, asked])).toBeLessThanOrEqual(4);
  });

  test("what comes before a few steps is looked up one by one", async () => {
    // The edges by their end are read off the plan's part of an index; the steps are not.
    const nodes = await explain(sql, [orgId], UNFINISHED_BEFORE, [orgId, large.planId, few, "{PENDING}"]);
    const steps = nodes.filter((node) => node["Relation Name"]?.startsWith("steps") === true);
    expect(steps.length).toBeGreaterThan(0);
    expect(looksAt(steps)).toBeLessThanOrEqual(2);
  });

  test("pages of plans, and approvals that wait, do not grow with those that are over", async () => {
    expect(await work(PLAN_LIST.all, [orgId, null, 200, large.planId, 10])).toBeLessThanOrEqual(11);
    const sent: Sent[] = [];
    const client = openClient({ url: it.database.url, poolSize: 1 });
    const options = {
      client: noting(client, sent),
      random: systemRandom(),
      prepare: true,
      lockMs: 1_000,
      log: () => undefined,
    };
    const after = [3000, "ffffffff-ffff-ffff-ffff-ffffffffffff"];
    const pending = await inTransaction(options, { orgs: [orgId] }, (session) =>
      createApprovalRepository(session).list(orgId, { planId: null, pendingOnly: true }, { limit: 3, after }),
    );
    await client.end();
    expect(pending.map((approval) => approval.requestedMs)).toEqual([3000, 2500, 2000]);
    const [list] = sent.filter(({ text }) => text.includes("approvals"));
    expect(await work(list?.text ?? "", list?.parameters ?? [])).toBeLessThanOrEqual(3);
  });
});
