// What batches remember of small plans: less is read, and never anything that is not so. Not here: what decisions make of it.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Charter } from "../../src/domain/charter.ts";
import type { OrgId, PlanId } from "../../src/domain/id.ts";
import type { PlanChanges, PlanSlice } from "../../src/domain/plan/slice.ts";
import { createBatchStore } from "../../src/store/postgres/batches.ts";
import { openClient } from "../../src/store/postgres/connection.ts";
import type { Client } from "../../src/store/postgres/connection.ts";
import { PlanCache, SMALL_PLAN } from "../../src/store/postgres/plan-cache.ts";
import type { BatchStore } from "../../src/store/ports/batches.ts";
import { emptySlice } from "../../src/domain/plan/slice.ts";
import { newPlan } from "../../src/domain/plan.ts";
import { asAdmin } from "../support/database.ts";
import { aStepRow, changesOf } from "../support/plan.ts";
import { aCharter, addOrg, aGoal, newId, openStore, servers } from "../support/store.ts";
import type { TestStore } from "../support/store.ts";
import { noting } from "./noting.ts";
import type { Sent } from "./noting.ts";

const READS = /^SELECT .* JOIN maestro\.(steps|step_edges) /;

describe.each(servers())("on $name", (server) => {
  let it: TestStore;
  let client: Client;
  let orgId: OrgId;
  let charter: Charter;
  let sent: Sent[];
  let batches: BatchStore;

  beforeAll(async () => {
    it = await openStore(server);
    ({ orgId } = await addOrg(it.store));
    charter = aCharter(orgId);
    await it.store.transaction([orgId], async (tx) => {
      await tx.charters.add(charter);
    });
    client = openClient({ url: it.database.url, poolSize: 2 });
    sent = [];
    batches = createBatchStore(noting(client, sent));
  });
  afterAll(async () => {
    await client.end();
    await it.end();
  });

  /** A plan of so many steps in a chain. */
  async function aPlan(steps: number): Promise<PlanId> {
    const goal = aGoal(charter);
    const rows = Array.from({ length: steps }, (_, i) => aStepRow(goal.planId, i + 1));
    await it.store.transaction([orgId], async (tx) => {
      await tx.goals.add(goal);
      const plan = await tx.plans.lock(orgId, goal.planId);
      if (plan === undefined) throw new Error("no plan");
      await tx.plans.save(changesOf({ ...plan, rev: plan.rev + 1, nextOrdinal: steps + 1 }, {}));
      await tx.plans.addSteps(
        orgId,
        goal.planId,
        rows.map((row) => ({ row, input: null })),
        rows.slice(1).map(({ ordinal }) => ({ from: ordinal - 1, to: ordinal, regardless: false })),
      );
    });
    return goal.planId;
  }

  /** One batch on a plan; what it saw, and how many statements read steps and edges. */
  async function batch(
    planId: PlanId,
    change: Partial<PlanChanges> | null,
    over: { ordinals?: readonly number[]; by?: BatchStore; fail?: boolean } = {},
  ): Promise<{ readonly seen: PlanSlice; readonly reads: number }> {
    const { ordinals = [1, 2], by = batches } = over;
    sent.length = 0;
    const seen: PlanSlice[] = [];
    await by.run(
      [{ orgId, planId, ordinals, childrenOf: ordinals }],
      (slice) => {
        seen.push({ ...slice, steps: new Map(slice.steps), children: new Map(slice.children) });
        if (over.fail === true) throw new Error("planted");
        if (change === null) return { kind: "nothing" };
        return { kind: "changes", changes: changesOf({ ...slice.plan, rev: slice.plan.rev + 1 }, change), leased: [] };
      },
      { wait: false },
    );
    const [first] = seen;
    if (first === undefined) throw new Error("nothing was decided");
    return { seen: first, reads: sent.filter(({ text }) => READS.test(text)).length };
  }

  test("a small plan is read whole once, and followed from then on", async () => {
    const planId = await aPlan(10);
    const first = await batch(planId, {
      steps: [aStepRow(planId, 1, { state: "SUCCEEDED", finishedMs: 5 })],
      waits: [{ ordinal: 2, waitingOn: 3 }],
    });
    expect(first.reads).toBe(2);
    expect(first.seen.steps.size).toBe(10);
    expect(first.seen.children.get(1)).toEqual([{ to: 2, regardless: false }]);
    expect(first.seen.children.get(10)).toEqual([]);
    const second = await batch(planId, null);
    expect(second.reads).toBe(0);
    expect(second.seen.steps.get(1)).toMatchObject({ state: "SUCCEEDED", finishedMs: 5 });
    expect(second.seen.steps.get(2)).toMatchObject({ state: "PENDING", waitingOn: 3 });
    expect(second.seen.plan.rev).toBe(first.seen.plan.rev + 1);
  });

  test("what somebody else changed is read again, in the same batch", async () => {
    const planId = await aPlan(5);
    await batch(planId, null);
    await it.store.transaction([orgId], async (tx) => {
      const plan = await tx.plans.lock(orgId, planId);
      if (plan === undefined) throw new Error("no plan");
      const changed = { ...plan, rev: plan.rev + 1, nextOrdinal: 7 };
      await tx.plans.save(changesOf(changed, { steps: [aStepRow(planId, 3, { failures: 2 })] }));
      await tx.plans.addSteps(
        orgId,
        planId,
        [{ row: aStepRow(planId, 6), input: null }],
        [{ from: 5, to: 6, regardless: true }],
      );
    });
    const { seen, reads } = await batch(planId, null);
    expect(reads).toBe(2);
    expect(seen.steps.get(3)?.failures).toBe(2);
    expect(seen.children.get(5)).toEqual([{ to: 6, regardless: true }]);
    expect((await batch(planId, null)).reads).toBe(0);
  });

  test("another server's batch is noticed", async () => {
    const planId = await aPlan(3);
    const other = createBatchStore(client);
    await batch(planId, null);
    await batch(planId, { steps: [aStepRow(planId, 2, { attempt: 7 })] }, { by: other });
    const { seen, reads } = await batch(planId, null);
    expect([reads, seen.steps.get(2)?.attempt]).toEqual([2, 7]);
  });

  test("a batch that fails leaves nothing behind that is not so", async () => {
    const planId = await aPlan(3);
    await batch(planId, null);
    await expect(batch(planId, null, { fail: true })).rejects.toThrow("planted");
    // Refused by the database: a step in no state that there is.
    const bad = { steps: [aStepRow(planId, 1, { state: "NOWHERE" as never })] };
    await expect(batch(planId, bad)).rejects.toThrow();
    const { seen } = await batch(planId, null);
    expect(seen.steps.get(1)?.state).toBe("PENDING");
  });

  test("of a large plan only what is asked for is read", async () => {
    const planId = await aPlan(SMALL_PLAN + 6);
    // Nobody knows that it is large before its row is read.
    const first = await batch(planId, null);
    expect(first.seen.whole).toBe(false);
    const later = await batch(planId, null, { ordinals: [SMALL_PLAN + 2] });
    expect([...later.seen.steps.keys()].toSorted((a, b) => a - b)).toEqual([SMALL_PLAN + 2, SMALL_PLAN + 3]);
    expect((await batch(planId, null)).seen.steps.size).toBe(3);
  });

  test("a plan that is touched a step at a time is read as asked, and not remembered", async () => {
    const planId = await aPlan(5);
    for (let time = 0; time < 2; time++) {
      const { seen, reads } = await batch(planId, null, { ordinals: [2] });
      expect([reads, [...seen.steps.keys()], seen.whole]).toEqual([2, [2, 3], false]);
    }
  });

  test("another org that names the plan in the same batch gets nothing of it, and spoils nothing", async () => {
    const planId = await aPlan(5);
    const other = await addOrg(it.store);
    const seen: PlanSlice[] = [];
    const answer = await batches.run(
      [
        { orgId: other.orgId, planId, ordinals: [1, 2], childrenOf: [1, 4] },
        { orgId, planId, ordinals: [1], childrenOf: [1] },
      ],
      (slice) => {
        seen.push({ ...slice, children: new Map(slice.children) });
        return { kind: "nothing" };
      },
      { wait: false },
    );
    expect(answer.missing.map((plan) => plan.orgId)).toEqual([other.orgId]);
    expect(seen.map((slice) => [slice.plan.orgId, slice.whole, [...slice.children.keys()]])).toEqual([
      [orgId, false, [1]],
    ]);
    const after = await batch(planId, null, { ordinals: [4, 5] });
    expect([after.seen.steps.size, after.seen.children.get(4)]).toEqual([5, [{ to: 5, regardless: false }]]);
  });

  test("of a large plan that is not known to be one, no more edges are read than a small one may have", async () => {
    const planId = await aPlan(SMALL_PLAN + 100);
    await it.store.transaction([orgId], async (tx) => {
      await tx.plans.lock(orgId, planId);
      const edges = Array.from({ length: 50 }, (_, i) => ({ from: 1, to: SMALL_PLAN + 10 + i, regardless: true }));
      await tx.plans.addSteps(orgId, planId, [], edges);
    });
    const { seen, reads } = await batch(planId, null);
    // The first look, and what was asked for.
    expect(reads).toBe(4);
    expect([seen.whole, seen.children.get(1)?.length, [...seen.children.keys()]]).toEqual([false, 51, [1, 2]]);
    expect(seen.steps.size).toBe(53);
  });

  test("nothing is remembered over a new connection, behind which the same revision may mean other rows", async () => {
    const planId = await aPlan(3);
    let opened = 1;
    const failing = {
      reserve: client.reserve,
      end: client.end,
      get opened() {
        return opened;
      },
    };
    const by = createBatchStore(failing);
    await batch(planId, null, { by });
    await asAdmin(it.database.adminUrl, async (admin) => {
      await admin`UPDATE maestro.steps SET failures = 9 WHERE plan_id = ${planId} AND ordinal = 2`;
    });
    expect((await batch(planId, null, { by })).seen.steps.get(2)?.failures).toBe(0);
    opened += 1;
    expect((await batch(planId, null, { by })).seen.steps.get(2)?.failures).toBe(9);
  });

  test("rows that changed without the plan's revision are found where that is looked for", async () => {
    const planId = await aPlan(3);
    const checked = createBatchStore(client, { prepare: true, checkCache: true });
    await batch(planId, null, { by: checked });
    await batch(planId, null, { by: checked });
    await asAdmin(it.database.adminUrl, async (admin) => {
      await admin`UPDATE maestro.steps SET failures = 9 WHERE plan_id = ${planId} AND ordinal = 2`;
    });
    await expect(batch(planId, null, { by: checked })).rejects.toThrow("not those of the store");
  });
});

test("the plans that were not touched for longest are forgotten first", () => {
  const cache = new PlanCache();
  const sliceOf = (): PlanSlice => {
    const goal = aGoal(aCharter(newId() as OrgId));
    const slice = { ...emptySlice({ ...newPlan(goal), rev: 1 }), whole: true };
    for (let ordinal = 1; ordinal <= SMALL_PLAN; ordinal++) {
      slice.steps.set(ordinal, aStepRow(goal.planId, ordinal));
      slice.children.set(ordinal, [{ to: 1, regardless: false }]);
    }
    return slice;
  };
  const first = sliceOf();
  const second = sliceOf();
  cache.keep(first);
  cache.keep(second);
  for (let i = 0; i < 254; i++) cache.keep(sliceOf());
  expect(cache.sliceOf(first.plan)).toBeDefined();
  cache.keep(sliceOf());
  expect(cache.standing(first.plan.planId)).toBe("cached");
  expect(cache.standing(second.plan.planId)).toBe("unknown");
});
