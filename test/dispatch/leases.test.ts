// What is said of leases when nothing can be said of them, and that an end which was refused is tried again.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Assignment } from "../../src/domain/outcome.ts";
import type { PlanId } from "../../src/domain/id.ts";
import { refuseItem } from "../../src/dispatch/items.ts";
import { ItemQueue, ORG_LIMIT } from "../../src/dispatch/queue.ts";
import { step } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { aPlan, entryOf, openPlans, openRoom, outcomeOf, until } from "./room.ts";
import type { Room } from "./room.ts";
import { success } from "../operations/bench.ts";

const FAILURE = { errorClass: "LOST", message: "gone", details: "" } as const;

let bench: Bench;
let room: Room;
beforeAll(async () => {
  bench = await openPlans();
});
afterAll(() => bench.end());
afterEach(() => room.end());

/** One leased step. */
async function aLease(): Promise<{ readonly planId: PlanId; readonly assignment: Assignment }> {
  room = await openRoom(bench);
  const planId = await aPlan(bench, [step("a")]);
  const { taker, given } = await room.addTaker(1);
  await room.offer(planId);
  await until(() => given.length === 1);
  room.takers.remove(taker);
  const [assignment] = given;
  if (assignment === undefined) throw new Error("no assignment");
  return { planId, assignment };
}

test("a renewal that fails by a bug is not called lost, and is carried out once it can be", async () => {
  const { assignment } = await aLease();
  const { lease, executorId } = assignment;
  room.before = () => {
    throw new Error("a bug");
  };
  expect(await room.renew(lease, executorId)).toBe("unknown");
  room.before = () => undefined;
  room.aheadMs += 10_000;
  expect(await room.renew(lease, executorId)).toBe("renewed");
});

test("a server that goes down does not call leases lost", async () => {
  const { assignment } = await aLease();
  await room.batcher.drain();
  expect(await room.renew(assignment.lease, assignment.executorId)).toBe("unknown");
  const row = await new Promise((done) => {
    const { lease, executorId } = assignment;
    room.batcher.push({
      kind: "rehome",
      orgId: bench.org.orgId,
      planId: lease.planId,
      deferrals: 0,
      lease,
      executorId,
      done,
    });
  });
  expect(row).toBe("unknown");
});

test("a lease that its executor carried over to another server is not taken by the one that it left", async () => {
  const { planId, assignment } = await aLease();
  const { lease, executorId } = assignment;
  const other = await openRoom(bench);
  expect(await other.renew(lease, executorId)).toBe("renewed");
  room.keeper.lose(entryOf(room, lease), FAILURE);
  await until(() => room.leases.size === 0);
  const row = (await bench.rows(planId)).get("a");
  expect(row).toMatchObject({ state: "LEASED", fencing: lease.fencing, sessionId: other.session.id });
  await other.end();
});

test("a lease whose end waited until its server had another session ends all the same", async () => {
  const { planId, assignment } = await aLease();
  await bench.it.store.platform.endSession(room.session.id);
  expect((await room.session.renew()).anew).toBe(true);
  room.keeper.lose(entryOf(room, assignment.lease), FAILURE);
  room.keeper.sessionIsNew();
  room.keeper.bringHome();
  await until(() => room.leases.size === 0);
  expect(await bench.states(planId)).not.toMatchObject({ a: "LEASED" });
});

test("a server that comes back with another session leaves a lease where it was carried over to meanwhile", async () => {
  const { planId, assignment } = await aLease();
  const { lease, executorId } = assignment;
  const other = await openRoom(bench);
  expect(await other.renew(lease, executorId)).toBe("renewed");
  await bench.it.store.platform.endSession(room.session.id);
  expect((await room.session.renew()).anew).toBe(true);
  room.keeper.sessionIsNew();
  room.keeper.bringHome();
  await until(() => room.leases.size === 0);
  expect((await bench.rows(planId)).get("a")).toMatchObject({ state: "LEASED", sessionId: other.session.id });
  await other.end();
});

test("a lease that was carried over since it was listed is not swept", async () => {
  const { planId, assignment } = await aLease();
  const { lease, executorId } = assignment;
  const [sweeper, other] = [await openRoom(bench), await openRoom(bench)];
  expect(await other.renew(lease, executorId)).toBe("renewed");
  const lapsed = room.session.id;
  const { ordinal, fencing } = lease;
  await new Promise<void>((done) => {
    const item = { orgId: bench.org.orgId, planId, deferrals: 0, ordinal, fencing, lapsed, done };
    sweeper.batcher.push({ kind: "sweep", ...item });
  });
  const row = (await bench.rows(planId)).get("a");
  expect(row).toMatchObject({ state: "LEASED", sessionId: other.session.id });
  await Promise.all([sweeper.end(), other.end()]);
});

test("of a plan that does not exist a lease is lost", async () => {
  const { assignment } = await aLease();
  const planId = bench.org.orgId as unknown as PlanId;
  expect(await room.renew({ ...assignment.lease, planId }, assignment.executorId)).toBe("lost");
});

test("the end of a lease that could not be carried out is tried again", async () => {
  const { planId, assignment } = await aLease();
  const entry = entryOf(room, assignment.lease);
  room.before = () => {
    throw new Error("a bug");
  };
  room.keeper.lose(entry, FAILURE);
  await until(() => !entry.ending);
  expect(entry.overdue).toEqual(FAILURE);
  expect(await bench.states(planId)).toEqual({ a: "LEASED" });
  room.before = () => undefined;
  room.aheadMs += 10_000;
  room.keeper.lose(entry, FAILURE);
  await until(() => room.leases.size === 0);
  expect((await bench.states(planId))["a"]).not.toBe("LEASED");
});

test("leases of a session that lapsed are asked for until it is known what they are", async () => {
  const { assignment } = await aLease();
  room.before = () => {
    throw new Error("a bug");
  };
  room.keeper.sessionIsNew();
  room.keeper.bringHome();
  await until(() => room.log.some(({ event }) => event === "item.set_aside"));
  expect(room.leases.size).toBe(1);
  let asked = 0;
  room.before = () => {
    asked += 1;
  };
  room.aheadMs += 10_000;
  room.keeper.bringHome();
  await until(() => asked > 0 && room.batcher.waiting === 0);
  expect(entryOf(room, assignment.lease).ending).toBe(false);
});

test("a full queue refuses outcomes only; what a scan asks for again waits once", async () => {
  const { assignment } = await aLease();
  const { lease, executorId } = assignment;
  const { orgId } = bench.org;
  const queue = new ItemQueue();
  const base = { orgId, planId: lease.planId, deferrals: 0 };
  const outcome = {
    ...base,
    kind: "outcome" as const,
    outcome: outcomeOf(lease, success("{}")),
    executorId,
    actor: "executor",
    stages: null as never,
    done: () => undefined,
  };
  for (let i = 0; i < ORG_LIMIT; i++) queue.push(outcome);
  expect(queue.push(outcome)).toBe(false);
  const loss = {
    ...base,
    kind: "loss" as const,
    ordinal: 1,
    fencing: 1,
    failure: FAILURE,
    under: null,
    refused: () => undefined,
  };
  const accepted = [
    queue.push(loss),
    queue.push({ ...base, kind: "renew", lease, executorId, leaseMs: null, checkpoint: null, done: () => undefined }),
    queue.push({ ...base, kind: "rehome", lease, executorId, done: () => undefined }),
    queue.push({ ...base, kind: "sweep", ordinal: 1, fencing: 1, lapsed: room.session.id, done: () => undefined }),
    queue.push({ ...base, kind: "wake", ordinal: 1 }),
    queue.push({ ...base, kind: "wake", ordinal: 1 }),
    queue.push({ ...base, kind: "overdue" }),
    queue.push({ ...base, kind: "overdue" }),
    queue.push({ ...base, kind: "cascade" }),
    queue.push({ ...base, kind: "cascade" }),
  ];
  expect(accepted.every(Boolean)).toBe(true);
  expect(queue.size).toBe(ORG_LIMIT + 7);
  const [first] = queue.take(1, new Set());
  if (first !== undefined) refuseItem(first, { reason: "OVERLOADED" } as never);
  expect(queue.push(outcome)).toBe(true);
});
