// Commits of which nobody knows whether they were, on a real store: what they did is found again, and done once. Not here: such
// commits in the store itself, see ../contract; calls under a key, see two-servers.test.ts.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { CallHandover } from "../../src/dispatch/call-handover.ts";
import { goalOfPlan } from "../../src/domain/id.ts";
import type { PlanId, ReadyStep } from "../../src/domain/id.ts";
import { CommitUnknownError } from "../../src/store/ports/store.ts";
import { goalRefine } from "../../src/operations/goal-refine.ts";
import { graphCommit } from "../../src/operations/graph-commit.ts";
import { spec, step } from "../operations/bench.ts";
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

/** The next batch that writes breaks off at its commit, before or after the store carried it out. */
function breakOff(isCommitted: boolean): void {
  room.around = async (_, __, work) => {
    room.around = (_plans, _options, next) => next();
    if (isCommitted) await work();
    throw new CommitUnknownError("the connection broke during commit");
  };
}
const wasInDoubt = () => room.log.some(({ event }) => event === "batch.commit_unknown");

test.each([
  ["was carried out", true],
  ["was not", false],
])("a claim whose commit %s, and nobody knows, is given once, and takes one slot", async (_, isCommitted) => {
  room = await openRoom(bench);
  const planId = await aPlan(bench, [step("a")]);
  const { taker, given } = await room.addTaker(2);
  breakOff(isCommitted);
  await room.offer(planId);
  await until(() => given.length === 1);
  expect(wasInDoubt()).toBe(true);
  expect(given[0]?.lease.fencing).toBe((await bench.rows(planId)).get("a")?.fencing);
  expect(given[0]?.attempt).toBe(1);
  expect([taker.reserved, taker.credit, room.leases.size]).toEqual([0, 1, 1]);
  expect(await room.report(given[0] as never)).toMatchObject({ ok: true });
});

test.each([
  ["was carried out", true],
  ["was not", false],
])(
  "an outcome whose commit %s, and nobody knows, is acknowledged, and what it handed over is given once",
  async (_, isCommitted) => {
    room = await openRoom(bench);
    const planId = await aPlan(bench, [step("a"), step("b", ["a"])]);
    const { taker, given } = await room.addTaker(2);
    await room.offer(planId);
    await until(() => given.length === 1);
    for (const window of room.windows.servable(taker.executor, [])) window.incomplete = false;
    breakOff(isCommitted);
    expect(await room.report(given[0] as never)).toMatchObject({ ok: true, value: { duplicate: isCommitted } });
    expect(wasInDoubt()).toBe(true);
    await until(() => given.length === 2);
    const row = (await bench.rows(planId)).get("b");
    expect(given[1]).toMatchObject({ attempt: 1, lease: { step: "b", fencing: row?.fencing } });
    expect([taker.reserved, taker.credit, room.leases.size]).toEqual([0, 1, 1]);
  },
);

test("a lease whose commit is in doubt is not forgotten when its plan is held by others meanwhile", async () => {
  room = await openRoom(bench);
  const planId = await aPlan(bench, [step("a")]);
  const { taker, given } = await room.addTaker(2);
  let looks = 0;
  room.around = async (plans, _, work) => {
    looks += 1;
    if (looks === 1) {
      await work();
      throw new CommitUnknownError("the connection broke during commit");
    }
    // The first that asks again finds the plan locked.
    if (looks === 2) return { inputs: new Map(), skipped: plans, missing: [], nowMs: 0 };
    return work();
  };
  await room.offer(planId);
  await until(() => given.length === 1);
  expect(given[0]?.lease.fencing).toBe((await bench.rows(planId)).get("a")?.fencing);
  expect([taker.reserved, taker.credit, room.leases.size]).toEqual([0, 1, 1]);
});

/** What a call reserves for itself in the room, and an executor with two slots whose windows hold everything. */
async function aCall() {
  room = await openRoom(bench);
  const { taker, given } = await room.addTaker(2);
  await room.offer(await aPlan(bench, [step("first")]));
  await until(() => given.length === 1);
  for (const window of room.windows.servable(taker.executor, [])) window.incomplete = false;
  const { windows, takers, session, batcher } = room;
  const { orgId } = bench.org;
  const rest = { isDraining: () => false, follow: () => undefined };
  return { taker, given, handover: new CallHandover({ orgId, windows, takers, session, batcher, ...rest }) };
}

async function readyOf(planId: PlanId): Promise<readonly ReadyStep[]> {
  const { orgId } = bench.org;
  return [...(await bench.rows(planId)).values()].flatMap(({ ordinal, demandId, orderKey }) =>
    orderKey === null ? [] : [{ orgId, planId, ordinal, demandId, orderKey }],
  );
}

test("what an operation leased with a commit of which it never heard is told by the claim that asks again", async () => {
  const { taker, given, handover } = await aCall();
  const target = { kind: "new", charter: "free", spec: spec() } as const;
  const refine = { target, steps: [step("a")], version: 0, open: false };
  const { planId } = (await bench.value(goalRefine(bench.heavy), refine)).goal;
  const commit = { goalId: goalOfPlan(planId), version: 1, expectedActiveVersion: 0, acceptLate: false };
  const as = { ...bench.context(), handover, sessionId: room.session.id };
  await bench.value(graphCommit(bench.heavy), commit, as);
  const row = (await bench.rows(planId)).get("a");
  expect(row).toMatchObject({ state: "LEASED", executorId: taker.executor.executorId });
  expect([given.length, taker.reserved]).toEqual([1, 1]);
  handover.end();
  await until(() => given.length === 2);
  expect(given[1]?.lease).toMatchObject({ planId, fencing: row?.fencing });
  expect([taker.reserved, taker.credit, room.leases.size]).toEqual([0, 0, 2]);
});

test("of an operation that was rolled back each reservation is given back, or becomes a lease of its own", async () => {
  const { taker, given, handover } = await aCall();
  const [planId, taken] = [await aPlan(bench, [step("a")]), await aPlan(bench, [step("a")])];
  expect(handover.reserve(await readyOf(taken))).toHaveLength(1);
  await bench.lease(taken, "a");
  handover.end();
  await until(() => taker.reserved === 0 && room.batcher.waiting === 0);
  expect([given.length, taker.credit]).toEqual([1, 1]);
  expect(handover.reserve(await readyOf(planId))).toHaveLength(1);
  handover.end();
  await until(() => given.length === 2);
  expect([taker.reserved, taker.credit]).toEqual([0, 0]);
});
