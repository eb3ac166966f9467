// Batches on a real store: poison, contention, bounds. Not here: what is said of leases, see leases.test.ts.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { PlanId } from "../../src/domain/id.ts";
import { BUG } from "../../src/dispatch/items.ts";
import type { BatchPlan } from "../../src/store/ports/batches.ts";
import { BatchContendedError } from "../../src/store/ports/batches.ts";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { step } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { aPlan, openPlans, openRoom, until } from "./room.ts";
import type { Room } from "./room.ts";

let bench: Bench;
let room: Room;
beforeAll(async () => {
  bench = await openPlans();
});
afterAll(() => bench.end());
afterEach(() => room.end());

const asks = (plans: readonly BatchPlan[], planId: PlanId, ordinal: number): boolean =>
  plans.some((plan) => plan.planId === planId && plan.ordinals.includes(ordinal));
const states = async (planId: PlanId): Promise<readonly string[]> => Object.values(await bench.states(planId)).sort();
const steps = (count: number): ReturnType<typeof step>[] =>
  Array.from({ length: count }, (_, i) => step(`s${String(i)}`));

test("of a batch with a claim that is poison only that one fails; it is left alone for longer each time", async () => {
  room = await openRoom(bench);
  const planId = await aPlan(bench, steps(20));
  let tries = 0;
  room.before = (plans) => {
    if (!asks(plans, planId, 7)) return;
    tries += 1;
    throw new Error("a bug");
  };
  const { taker, given } = await room.addTaker(20);
  await room.offer(planId);
  const asides = (): readonly unknown[] =>
    room.log.filter(({ event }) => event === "item.set_aside").map(({ fields }) => [fields["step"], fields["forMs"]]);
  await until(() => given.length === 19 && asides().length === 1);
  expect(taker.credit).toBe(1);
  const before = tries;
  // As the refill scan does every few seconds.
  for (let scan = 0; scan < 5; scan++) {
    await room.offer(planId);
    await until(() => room.windows.servable(taker.executor, []).every((window) => window.size === 0));
  }
  expect(tries).toBe(before);
  expect(taker.reserved).toBe(0);
  room.aheadMs += 5_000;
  await room.offer(planId);
  await until(() => asides().length === 2);
  expect(asides()).toEqual([
    [7, 5_000],
    [7, 10_000],
  ]);
  room.before = () => undefined;
  room.aheadMs += 10_000;
  await room.offer(planId);
  await until(() => given.length === 20);
});

test("an outcome that is poison is answered as a bug, not as the caller's fault, and not to be repeated; others go through", async () => {
  room = await openRoom(bench);
  const planId = await aPlan(bench, steps(4));
  const { given } = await room.addTaker(4);
  await room.offer(planId);
  await until(() => given.length === 4);
  room.before = (plans) => {
    if (asks(plans, planId, 2)) throw new Error("a bug");
  };
  const results = await Promise.all(given.map((a) => room.report(a)));
  const bad = results.filter((r) => !r.ok);
  expect(bad).toHaveLength(1);
  expect(bad).toEqual([{ ok: false, refusal: BUG }]);
  expect(BUG.retryable).toBe(false);
  expect(await states(planId)).toEqual(["LEASED", "SUCCEEDED", "SUCCEEDED", "SUCCEEDED"]);
});

test("an outcome does not fail with the step that would have been handed over with it", async () => {
  room = await openRoom(bench);
  const planId = await aPlan(bench, [step("a"), step("b", ["a"])]);
  const { taker, given } = await room.addTaker(2);
  await room.offer(planId);
  await until(() => given.length === 1);
  for (const window of room.windows.servable(taker.executor, [])) window.incomplete = false;
  const [first] = given;
  if (first === undefined) throw new Error("no assignment");
  // The step that the outcome makes ready cannot be written as leased.
  let leasing = 0;
  room.decided = (_, verdict) => {
    if (verdict.kind !== "changes" || !verdict.leased.some(({ ordinal }) => ordinal === 2)) return;
    leasing += 1;
    throw new Error("a bug");
  };
  expect(await room.report(first)).toMatchObject({ ok: true });
  expect(leasing).toBeGreaterThan(0);
  await until(() => room.log.some(({ event }) => event === "item.set_aside"));
  expect(await states(planId)).toEqual(["READY", "SUCCEEDED"]);
  expect(taker.reserved).toBe(0);
});

test("a plan that another transaction holds delays no other plan, and its items wait for it one batch at a time", async () => {
  room = await openRoom(bench);
  const [held, alsoHeld, free] = await Promise.all([1, 2, 3].map(() => aPlan(bench, steps(1))));
  if (held === undefined || alsoHeld === undefined || free === undefined) throw new Error("no plans");
  const { given } = await room.addTaker(3);
  for (const planId of [held, alsoHeld, free]) await room.offer(planId);
  await until(() => given.length === 3);
  let waiting = 0;
  let most = 0;
  room.around = async (_, { wait }, work) => {
    if (!wait) return await work();
    waiting += 1;
    most = Math.max(most, waiting);
    try {
      return await work();
    } finally {
      waiting -= 1;
    }
  };
  const { store } = bench.it;
  let release = (): void => undefined;
  let isLocked = (): void => undefined;
  const locked = new Promise<void>((resolve) => {
    isLocked = resolve;
  });
  const lock = store.transaction([bench.org.orgId], async (tx) => {
    for (const planId of [held, alsoHeld].sort()) await tx.plans.lock(bench.org.orgId, planId);
    isLocked();
    await new Promise<void>((resolve) => {
      release = resolve;
    });
  });
  await locked;
  const of = (planId: PlanId): (typeof given)[number] => {
    const found = given.find(({ lease }) => lease.planId === planId);
    if (found === undefined) throw new Error("no assignment");
    return found;
  };
  const late = [room.report(of(held)), room.report(of(alsoHeld))];
  await until(() => waiting > 0);
  // Both batches' connections are never held by waiting ones.
  expect(await room.report(of(free))).toMatchObject({ ok: true });
  expect(most).toBe(1);
  release();
  await lock;
  expect(await Promise.all(late)).toMatchObject([{ ok: true }, { ok: true }]);
  expect(most).toBe(1);
});

test("two batches of one server never meet on a plan, not even while one of them is bisected", async () => {
  room = await openRoom(bench, { writers: 3 });
  const planId = await aPlan(bench, steps(12));
  const { given } = await room.addTaker(12);
  await room.offer(planId);
  await until(() => given.length === 12);
  const inBatch = new Set<string>();
  let met = 0;
  room.around = async (plans, _, work) => {
    for (const plan of plans) if (inBatch.has(plan.planId)) met += 1;
    for (const plan of plans) inBatch.add(plan.planId);
    try {
      if (asks(plans, planId, 5)) throw new Error("a bug");
      return await work();
    } finally {
      for (const plan of plans) inBatch.delete(plan.planId);
    }
  };
  const results = await Promise.all(
    given.map(async (assignment, i) => {
      // Not all at once: later ones come while the first batch is taken apart.
      for (let turn = 0; turn < i; turn++) await new Promise((resolve) => setImmediate(resolve));
      return await room.report(assignment);
    }),
  );
  expect(results.filter((r) => r.ok)).toHaveLength(11);
  expect(met).toBe(0);
});

test("a lock that does not come in time puts items off; it makes no poison of them", async () => {
  room = await openRoom(bench);
  const planId = await aPlan(bench, steps(1));
  const { given } = await room.addTaker(1);
  await room.offer(planId);
  await until(() => given.length === 1);
  let times = 0;
  room.before = () => {
    times += 1;
    if (times < 5) throw new BatchContendedError("a lock did not come in time");
  };
  expect(await room.report(given[0] as never)).toMatchObject({ ok: true });
  expect(room.log.map(({ event }) => event)).not.toContain("item.set_aside");
});

test("what comes after the end is refused at once, even when the store was away at the end", async () => {
  room = await openRoom(bench);
  const planId = await aPlan(bench, steps(2));
  const { given } = await room.addTaker(1);
  await room.offer(planId);
  await until(() => given.length === 1);
  room.before = () => {
    throw new StoreUnavailableError("away");
  };
  const report = room.report(given[0] as never);
  await until(() => room.batcher.storeIsAway);
  await room.batcher.drain();
  expect(await report).toMatchObject({ ok: false, refusal: { reason: "DRAINING" } });
  await new Promise<void>((done) => {
    const lapsed = room.session.id;
    room.batcher.push({
      kind: "sweep",
      orgId: bench.org.orgId,
      planId,
      deferrals: 0,
      ordinal: 1,
      fencing: 1,
      lapsed,
      done,
    });
  });
});

test("a batch gives no more than it holds, and every step once", async () => {
  room = await openRoom(bench);
  const planId = await aPlan(bench, steps(300));
  let most = 0;
  room.before = (plans) => {
    most = Math.max(
      most,
      plans.reduce((sum, plan) => sum + plan.ordinals.length, 0),
    );
  };
  const { given } = await room.addTaker(300);
  await room.offer(planId);
  await until(() => given.length === 300);
  expect(new Set(given.map(({ lease }) => lease.ordinal)).size).toBe(300);
  expect(most).toBeLessThanOrEqual(128);
});
