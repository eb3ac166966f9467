// A goal that is added, refined and committed in one transaction, and rows that a commit brings to a plan that was there: written
// once, read like any other. Not here: what commits them.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Charter } from "../../src/domain/charter.ts";
import type { Goal } from "../../src/domain/goal.ts";
import type { OrgId, PlanId } from "../../src/domain/id.ts";
import { payloadText } from "../../src/domain/payload.ts";
import type { Payload } from "../../src/domain/payload.ts";
import { newPlan } from "../../src/domain/plan.ts";
import type { PlanSlice } from "../../src/domain/plan/slice.ts";
import { AddedPlan } from "../../src/store/postgres/added-plan.ts";
import { ROWS } from "../../src/store/postgres/bulk.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import type { Client } from "../../src/store/postgres/connection.ts";
import { createGoalRepository } from "../../src/store/postgres/goals.ts";
import { createGraphRepository } from "../../src/store/postgres/graphs.ts";
import { createPlanRepository } from "../../src/store/postgres/plans.ts";
import { inTransaction } from "../../src/store/postgres/transaction.ts";
import type { Tx } from "../../src/store/ports/store.ts";
import { systemRandom } from "../../src/support/random.ts";
import { asAdmin } from "../support/database.ts";
import { aGraphStep, aStepRow, aVersion, anEdge, changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { noting } from "./noting.ts";
import type { Sent } from "./noting.ts";

const INPUT: Payload = { kind: "json", text: '{"a": "\\"quoted\\""}' };

type Repositories = Pick<Tx, "goals" | "graphs" | "plans">;

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let client: Client;
  let orgId: OrgId;
  let charter: Charter;
  const sent: Sent[] = [];

  beforeAll(async () => {
    // What is remembered is not read beside it.
    it = await openStore(server, { checkCache: false });
    ({ orgId } = await addOrg(it.store));
    charter = aCharter(orgId);
    client = openClient({ url: it.database.url, poolSize: 1 });
  });
  afterAll(async () => {
    await client.end();
    await it.end();
  });

  /** A transaction whose statements are noted. */
  async function noted<T>(work: (tx: Repositories) => Promise<T>): Promise<T> {
    sent.length = 0;
    const options = {
      client: noting(client, sent),
      random: systemRandom(),
      prepare: true,
      lockMs: 1_000,
      log: () => undefined,
    };
    return inTransaction(options, { orgs: [orgId] }, async (session) => {
      const added = new AddedPlan(session);
      const behind = added.behind();
      const result = await work({
        goals: createGoalRepository(behind, added),
        graphs: createGraphRepository(behind, added),
        plans: createPlanRepository(behind, added, () => Promise.resolve(7)),
      });
      added.flush();
      return result;
    });
  }
  const writes = (): number => sent.filter(({ text }) => /INSERT|UPDATE|DELETE/.test(text)).length;
  const rowsOf = (planId: PlanId, count: number) =>
    Array.from({ length: count }, (_, i) => ({
      row: aStepRow(planId, i + 1),
      input: i === 0 ? { text: payloadText(INPUT), effectiveDigest: "e" } : null,
    }));
  const line = (count: number) =>
    Array.from({ length: count - 1 }, (_, i) => ({ from: i + 1, to: i + 2, regardless: false }));

  /** Adds, refines, commits and ends the first step of a line. */
  async function commit(tx: Repositories, goal: Goal, count = 3): Promise<void> {
    const plan = await tx.goals.add(goal);
    const keys = rowsOf(goal.planId, count).map(({ row }) => row.key);
    await tx.graphs.addVersion({ ...aVersion(goal), state: "REFINED", stepCount: count });
    await tx.graphs.addGraph(
      orgId,
      goal.planId,
      1,
      keys.map(aGraphStep),
      keys.slice(1).map((key, i) => anEdge(keys[i] ?? "", key)),
    );
    await tx.goals.setState(orgId, goal.planId, "REFINED", null);
    await tx.plans.addSteps(orgId, goal.planId, rowsOf(goal.planId, count), line(count));
    await tx.graphs.setState(orgId, goal.planId, 1, "ACTIVE");
    await tx.plans.save(
      changesOf(
        {
          ...plan,
          rev: 1,
          state: "ACTIVE",
          activeVersion: 1,
          newestVersion: 1,
          nextOrdinal: count + 1,
          stepsRunning: 1,
          committedMs: 9,
        },
        {
          steps: [aStepRow(goal.planId, 1, { state: "SUCCEEDED", finishedMs: 5, fencing: 1 })],
          waits: [{ ordinal: 2, waitingOn: 4 }],
          goal: { state: "ACTIVE", finishedMs: null },
        },
      ),
    );
  }

  /** What is there, read by a transaction of its own. */
  const read = (goal: Goal) =>
    it.store.transaction([orgId], async (tx) => ({
      goal: await tx.goals.find(orgId, goal.planId),
      plan: await tx.plans.find(orgId, goal.planId),
      version: await tx.graphs.findVersion(orgId, goal.planId, 1),
      graph: (await tx.graphs.steps(orgId, goal.planId, 1)).length,
      edges: (await tx.graphs.edges(orgId, goal.planId, 1)).length,
      rows: await tx.plans.allSteps(orgId, goal.planId),
      views: await tx.plans.listSteps(
        orgId,
        goal.planId,
        { states: [], key: "step-000001" },
        { limit: 2, after: null },
      ),
    }));

  test("all rows are written in their last form, by one statement", async () => {
    const goal = aGoal(
      charter,
      {},
      { labels: { team: 'a "b" \\' }, attributes: { size: { kind: "number", value: 2 } } },
    );
    await noted((tx) => commit(tx, goal));
    expect(writes()).toBe(1);
    const found = await read(goal);
    expect(found.goal).toMatchObject({ state: "ACTIVE", spec: goal.spec, activeVersion: 1 });
    expect(found.plan).toMatchObject({ rev: 1, state: "ACTIVE", committedMs: 9 });
    expect(found.version).toMatchObject({ state: "ACTIVE", stepCount: 3 });
    expect([found.graph, found.edges, found.rows.edges]).toEqual([3, 2, line(3)]);
    expect(found.rows.steps.map((row) => [row.state, row.waitingOn])).toEqual([
      ["SUCCEEDED", 0],
      ["PENDING", 4],
      ["PENDING", 0],
    ]);
    expect(found.views.map(({ row, input }) => [row.fencing, input])).toEqual([[1, INPUT]]);
  });

  test("a plan larger than a statement holds is written in slices, and comes to the same", async () => {
    const goal = aGoal(charter);
    await noted((tx) => commit(tx, goal, ROWS + 1));
    expect(writes()).toBeGreaterThan(6);
    const found = await read(goal);
    expect(found).toMatchObject({ goal: { state: "ACTIVE" }, version: { state: "ACTIVE" }, graph: ROWS + 1 });
    expect(found.rows.steps.slice(0, 2).map((row) => [row.state, row.waitingOn])).toEqual([
      ["SUCCEEDED", 0],
      ["PENDING", 4],
    ]);
  });

  test("whoever reads in the same transaction sees it, and what follows is written as usual", async () => {
    const goal = aGoal(charter);
    const seen = await noted(async (tx) => {
      const plan = await tx.goals.add(goal);
      await tx.graphs.addVersion(aVersion(goal));
      const version = await tx.graphs.findVersion(orgId, goal.planId, 1);
      await tx.graphs.addGraph(orgId, goal.planId, 1, [aGraphStep("a")], []);
      await tx.graphs.setState(orgId, goal.planId, 1, "REFINED");
      await tx.goals.setState(orgId, goal.planId, "REFINED", null);
      await tx.plans.save(changesOf({ ...plan, rev: 5 }, {}));
      return [version?.state, (await tx.graphs.steps(orgId, goal.planId, 1)).length];
    });
    expect(seen).toEqual(["DRAFT", 1]);
    expect(await read(goal)).toMatchObject({
      goal: { state: "REFINED" },
      plan: { rev: 5 },
      version: { state: "REFINED" },
      graph: 1,
    });
  });

  test("what nobody saves is written at the end; what is not committed is nowhere", async () => {
    const [kept, lost] = [aGoal(charter), aGoal(charter)];
    await noted(async (tx) => {
      await tx.goals.add(kept);
      await tx.goals.setState(orgId, kept.planId, "CANCELLED", 4);
    });
    expect(await read(kept)).toMatchObject({ goal: { state: "CANCELLED", finishedMs: 4 }, plan: { rev: 0 } });
    const failing = it.store.transaction([orgId], async (tx) => {
      await commit(tx, lost);
      throw new Error("planted");
    });
    await expect(failing).rejects.toThrow("planted");
    expect((await read(lost)).plan).toBeUndefined();
    const { missing } = await it.store.batches.run(
      [{ orgId, planId: lost.planId, ordinals: [1], childrenOf: [] }],
      () => ({ kind: "nothing" }),
      { wait: false },
    );
    expect(missing).toHaveLength(1);
  });

  test("two goals in one transaction are both written", async () => {
    const goals = [aGoal(charter), aGoal(charter)];
    await noted(async (tx) => {
      for (const goal of goals) await commit(tx, goal);
    });
    for (const goal of goals) expect(await read(goal)).toMatchObject({ plan: { rev: 1 }, graph: 3 });
  });

  /** Commits the version of a goal that was refined before: its first steps, or more of them. */
  async function commitLater(tx: Repositories, goal: Goal, from = 0): Promise<void> {
    const plan = await tx.plans.lock(orgId, goal.planId);
    if (plan === undefined) throw new Error("there is no plan");
    const rows = rowsOf(goal.planId, from + 3).slice(from);
    await tx.plans.addSteps(
      orgId,
      goal.planId,
      rows,
      line(from + 3).filter((edge) => edge.to > from),
    );
    await tx.graphs.setState(orgId, goal.planId, 1, "ACTIVE");
    const [first, second] = rows;
    if (first === undefined || second === undefined) throw new Error("no rows");
    await tx.plans.save(
      changesOf(
        {
          ...plan,
          rev: plan.rev + 1,
          state: "ACTIVE",
          activeVersion: 1,
          newestVersion: 1,
          nextOrdinal: from + 4,
          stepsRunning: 1,
          committedMs: 9,
        },
        {
          steps: [
            ...(from === 0 ? [] : [aStepRow(goal.planId, 1, { state: "SUCCEEDED", finishedMs: 6 })]),
            { ...first.row, state: "SUCCEEDED", finishedMs: 5, fencing: 1 },
          ],
          waits: [{ ordinal: second.row.ordinal, waitingOn: 4 }],
          goal: { state: "ACTIVE", finishedMs: null },
        },
      ),
    );
  }

  async function refined(): Promise<Goal> {
    const goal = aGoal(charter);
    await it.store.transaction([orgId], async (tx) => {
      await tx.goals.add(goal);
      await tx.graphs.addVersion({ ...aVersion(goal), state: "REFINED", stepCount: 3 });
      await tx.graphs.addGraph(
        orgId,
        goal.planId,
        1,
        rowsOf(goal.planId, 3).map(({ row }) => aGraphStep(row.key)),
        [],
      );
    });
    return goal;
  }

  test("what a commit brings to a plan that was there is written by one statement, with plan, version and goal", async () => {
    const goal = await refined();
    await noted((tx) => commitLater(tx, goal));
    expect(sent.filter(({ text }) => /INSERT INTO|UPDATE maestro/.test(text))).toHaveLength(1);
    const found = await read(goal);
    expect(found).toMatchObject({ goal: { state: "ACTIVE" }, plan: { rev: 1 }, version: { state: "ACTIVE" } });
    expect(found.rows.edges).toEqual(line(3));
    expect(found.rows.steps.map((row) => [row.state, row.waitingOn, row.fencing])).toEqual([
      ["SUCCEEDED", 0, 1],
      ["PENDING", 4, 0],
      ["PENDING", 0, 0],
    ]);
  });

  test("rows that were there before change beside those that come", async () => {
    const goal = await refined();
    await it.store.transaction([orgId], (tx) => commitLater(tx, goal));
    await noted((tx) => commitLater(tx, goal, 3));
    const found = await read(goal);
    expect(found.rows.steps.map((row) => [row.state, row.finishedMs, row.waitingOn])).toEqual([
      ["SUCCEEDED", 6, 0],
      ["PENDING", null, 4],
      ["PENDING", null, 0],
      ["SUCCEEDED", 5, 0],
      ["PENDING", null, 4],
      ["PENDING", null, 0],
    ]);
    expect(found.rows.edges).toEqual(line(6));
  });

  test("rows that nobody saves are written before somebody reads them", async () => {
    const goal = await refined();
    const seen = await noted(async (tx) => {
      await tx.plans.addSteps(orgId, goal.planId, rowsOf(goal.planId, 2), line(2));
      await tx.graphs.setState(orgId, goal.planId, 1, "ACTIVE");
      return (await tx.plans.allSteps(orgId, goal.planId)).steps.length;
    });
    expect(seen).toBe(2);
    expect(await read(goal)).toMatchObject({ version: { state: "ACTIVE" }, rows: { edges: line(2) } });
  });

  test("batches know the rows of a small plan of which something runs from its commit on", async () => {
    const small = aGoal(charter);
    const look = async (goal: Goal): Promise<PlanSlice> => {
      const seen: PlanSlice[] = [];
      await it.store.batches.run(
        [{ orgId, planId: goal.planId, ordinals: [1, 2], childrenOf: [1] }],
        (slice) => {
          seen.push(slice);
          return { kind: "nothing" };
        },
        { wait: false },
      );
      const [slice] = seen;
      if (slice === undefined) throw new Error("nothing was decided");
      return slice;
    };
    // The first batch of a connection forgets everything.
    await it.store.transaction([orgId], (tx) => commit(tx, aGoal(charter)));
    await look({ ...small, planId: newPlan(aGoal(charter)).planId }).catch(() => undefined);
    await it.store.transaction([orgId], (tx) => commit(tx, small));
    // Told by a change that keeps the plan's revision, which nobody makes.
    await asAdmin(it.database.adminUrl, async (admin) => {
      await admin`UPDATE maestro.steps SET failures = 9 WHERE plan_id = ${small.planId}`;
    });
    const slice = await look(small);
    expect(slice.whole).toBe(true);
    expect([...slice.steps.values()].map((row) => [row.state, row.waitingOn, row.failures])).toEqual([
      ["SUCCEEDED", 0, 0],
      ["PENDING", 4, 0],
      ["PENDING", 0, 0],
    ]);
    expect(slice.children.get(3)).toEqual([]);
  });
});
