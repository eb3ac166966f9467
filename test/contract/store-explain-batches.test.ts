// How the database carries out what a batch sends: every statement of it is looked at, as the application's role sends it.
// Not here: scans and lists, see store-explain.test.ts.
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NOTHING } from "../../src/domain/amounts.ts";
import type { ApprovalId, OrgId, PlanId, SessionId } from "../../src/domain/id.ts";
import type { PlanChanges } from "../../src/domain/plan/slice.ts";
import { createBatchStore } from "../../src/store/postgres/batches.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import type { Client } from "../../src/store/postgres/connection.ts";
import { asAdmin } from "../support/database.ts";
import { anAttempt, aStepRow, aVersion, changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { indexes, planOf, scanned } from "./explain-support.ts";
import { noting } from "./noting.ts";
import type { Sent } from "./noting.ts";

/** Reads the first steps of plans. */
const WHOLE = /ordinal <= 64/;
/** What is sent besides statements that read or write rows. */
const ENDS = /^(BEGIN|COMMIT|ROLLBACK|SELECT set_config|SELECT maestro.clock_ms)/;

/** Plans as they usually are: small ones. */
async function addPlans({ store }: TestStore, orgId: OrgId): Promise<readonly PlanId[]> {
  const charter = aCharter(orgId);
  return await store.transaction([orgId], async (tx) => {
    await tx.charters.add(charter);
    const ids: PlanId[] = [];
    for (let i = 0; i < 20; i++) {
      const goal = aGoal(charter);
      await tx.goals.add(goal);
      const rows = Array.from({ length: 10 }, (_, at) => aStepRow(goal.planId, at + 1));
      await tx.plans.addSteps(
        orgId,
        goal.planId,
        rows.map((row) => ({ row, input: { text: "j{}", effectiveDigest: "e" } })),
        rows.flatMap(({ ordinal }) =>
          [ordinal + 3, ordinal + 5].flatMap((to) => (to > 10 ? [] : [{ from: ordinal, to, regardless: false }])),
        ),
      );
      ids.push(goal.planId);
    }
    return ids;
  });
}

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let orgId: OrgId;
  let plans: readonly PlanId[];
  let sql: postgres.Sql;
  let client: Client;
  /** Partitions of other months: there is nothing to be read in them. */
  let empty: ReadonlySet<string>;

  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
    plans = await addPlans(it, orgId);
    // Of many orgs, so that the planner takes a plan for a single row.
    for (let i = 0; i < 30; i++) await addPlans(it, (await addOrg(it.store)).orgId);
    await asAdmin(it.database.adminUrl, async (admin) => {
      await admin`INSERT INTO maestro.timers (org_id, plan_id, ordinal, due_ms) SELECT org_id, plan_id, ordinal, ordinal FROM maestro.steps`;
      await admin`INSERT INTO maestro.checkpoints (org_id, plan_id, ordinal, fencing, checkpoint, at_ms) SELECT org_id, plan_id, ordinal, 1, '', 1 FROM maestro.steps`;
      await admin`INSERT INTO maestro.cascades (org_id, plan_id, frontier, created_ms) SELECT org_id, plan_id, '{1}', 1 FROM maestro.plans`;
      await admin`INSERT INTO maestro.attempts (org_id, plan_id, ordinal, fencing, attempt, undoing, state, executor_id, leased_ms, ended_ms, ready_ms,
        hold_tokens, hold_money, hold_wall, hold_energy, usage_tokens, usage_money, usage_wall, usage_energy, record_id)
        SELECT org_id, plan_id, ordinal, 1, 1, false, 'FAILED', plan_id, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, plan_id FROM maestro.steps`;
      await admin`INSERT INTO maestro.graph_versions (org_id, plan_id, version, parent_version, state, digest, step_count, edge_count, reason, created_ms, created_by)
        SELECT p.org_id, p.plan_id, v, 0, 'SUPERSEDED', '', 0, 0, '', 1, '' FROM maestro.plans p, generate_series(1, 20) v`;
      await admin`ANALYZE`;
      const rows = await admin<{ relname: string }[]>`SELECT relname FROM pg_class WHERE reltuples = 0`;
      empty = new Set(rows.map(({ relname }) => relname));
    });
    sql = postgres(it.database.url, { max: 1 });
    client = openClient({ url: it.database.url, poolSize: 1 });
  });
  afterAll(async () => {
    await client.end();
    await sql.end();
    await it.end();
  });

  /** What a batch on three plans sends that changes each as `changes` says. */
  const batch = async (
    changes: (plan: PlanId) => Partial<PlanChanges>,
    ordinals: readonly number[] = [5, 6],
  ): Promise<readonly Sent[]> => {
    const sent: Sent[] = [];
    await createBatchStore(noting(client, sent)).run(
      plans.slice(0, 3).map((planId) => ({ orgId, planId, ordinals, childrenOf: ordinals.slice(0, 1) })),
      ({ plan }) => ({
        kind: "changes",
        changes: changesOf({ ...plan, rev: plan.rev + 1 }, changes(plan.planId)),
        leased: [{ planId: plan.planId, orgId, ordinal: ordinals[0] ?? 0, undoing: false, again: true }],
      }),
      { wait: false },
    );
    return sent.filter(({ text }) => !ENDS.test(text));
  };
  const expectByKey = async (sent: readonly Sent[]): Promise<readonly string[]> => {
    const used = new Set<string>();
    for (const { text, parameters } of sent) {
      const nodes = await planOf(sql, [orgId], text, parameters, { dry: true });
      expect(
        scanned(nodes).filter((name) => !empty.has(name)),
        text,
      ).toEqual([]);
      for (const index of indexes(nodes)) used.add(index.replace(/_(other|\d{6})_/, "_"));
      // The whole plan would do as long as plans are small, and be read for every row once one is large.
      const part = nodes.filter(
        (node) => /^(steps|step_edges)$/.test(node["Relation Name"] ?? "") && node["Index Name"] !== undefined,
      );
      for (const node of part) if (!WHOLE.test(text)) expect(node["Index Cond"], text).toMatch(/\b(from_)?ordinal = /);
    }
    return [...used].toSorted();
  };

  test.each([
    ["of a plan that may be small", [5, 6]],
    ["of a large plan", [105, 106]],
  ])("a batch reads plans, steps, children, inputs and checkpoints by primary key: %s", async (_, ordinals) => {
    const sent = await batch(() => ({}), ordinals);
    expect(sent.filter(({ text }) => /FOR NO KEY UPDATE/.test(text))).toHaveLength(1);
    expect(await expectByKey(sent.filter(({ text }) => text.startsWith("SELECT")))).toEqual([
      "checkpoints_pkey",
      "plans_pkey",
      "step_edges_pkey",
      "step_inputs_pkey",
      "steps_pkey",
    ]);
  });

  test("what a batch changes it finds by primary key", async () => {
    const sent = await batch((planId) => ({
      steps: [
        aStepRow(planId, 5, { state: "LEASED", sessionId: newId() as SessionId }),
        aStepRow(planId, 6, { flags: 3 }),
      ],
      waits: [{ ordinal: 7, waitingOn: 1 }],
      attempts: [
        anAttempt(planId, 5, 2),
        anAttempt(planId, 6, 2, { failure: { errorClass: "LOST", message: "", details: "" } }),
      ],
      late: [{ ordinal: 9, fencing: 1, lateDigest: "01", usage: NOTHING, artifacts: [] }],
      inputs: [{ ordinal: 8, undoing: false, input: null, effectiveDigest: "" }],
      timers: [
        { ordinal: 5, dueMs: 9e15 },
        { ordinal: 6, dueMs: null },
      ],
      approvals: [
        {
          orgId,
          planId,
          approvalId: newId() as ApprovalId,
          subject: "STEP",
          ordinal: 5,
          step: "s",
          version: 1,
          digest: "d",
          state: "PENDING",
          question: "",
          requestedBy: "",
          requestedMs: 1,
          decidedBy: null,
          decidedMs: null,
          comment: "",
          context: "",
        },
      ],
      rejectedVersions: [aVersion(aGoal(aCharter(orgId))).version],
      checkpoints: [{ ordinal: 5, fencing: 2, checkpoint: "" }],
      cascade: null,
      goal: { state: "FAILED", finishedMs: 1 },
    }));
    const writes = sent.filter(({ text }) => !text.startsWith("SELECT"));
    expect(writes.length).toBeGreaterThan(12);
    expect(await expectByKey(writes)).toEqual([
      "attempts_pkey",
      "cascades_pkey",
      "goals_pkey",
      "graph_versions_pkey",
      "plans_pkey",
      "steps_pkey",
      "timers_pkey",
    ]);
  });

  test("an open cascade is kept under its plan's key", async () => {
    const sent = await batch(() => ({ cascade: { frontier: [1], sweepFrom: null } }));
    const [kept] = sent.filter(({ text }) => text.includes("maestro.cascades"));
    expect(kept).toBeDefined();
    expect(await expectByKey(kept === undefined ? [] : [kept])).toEqual([]);
  });
});
