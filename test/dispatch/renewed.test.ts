// A renewal that meets the end of its own lease: whoever renewed in time keeps it. Not here: other ends, see leases.test.ts.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { PlanId } from "../../src/domain/id.ts";
import type { Assignment, Failure } from "../../src/domain/outcome.ts";
import { NOT_RENEWED } from "../../src/dispatch/items.ts";
import type { RenewState } from "../../src/dispatch/items.ts";
import { step } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { aPlan, entryOf, openPlans, openRoom, until } from "./room.ts";
import type { Room } from "./room.ts";

const OVER: Failure = { errorClass: "LOST", message: NOT_RENEWED, details: "" };

let bench: Bench;
let room: Room;
let other: Room;
beforeAll(async () => {
  bench = await openPlans();
});
afterAll(() => bench.end());
afterEach(() => Promise.all([room.end(), other.end()]));

/** A leased step that calls keep, so long from now on. */
async function aLease(leaseMs: number): Promise<{ readonly planId: PlanId; readonly assignment: Assignment }> {
  [room, other] = [await openRoom(bench), await openRoom(bench)];
  const planId = await aPlan(bench, [step("a")]);
  const { taker, given } = await room.addTaker(1);
  await room.offer(planId);
  await until(() => given.length === 1);
  room.takers.remove(taker);
  const [assignment] = given;
  if (assignment === undefined) throw new Error("no assignment");
  expect(await renew(room, assignment, leaseMs)).toBe("renewed");
  return { planId, assignment };
}

function renew(at: Room, { lease, executorId }: Assignment, leaseMs: number): Promise<RenewState> {
  const item = { orgId: bench.org.orgId, planId: lease.planId, deferrals: 0, lease, executorId };
  return new Promise((done) => {
    at.batcher.push({ kind: "renew", ...item, leaseMs, checkpoint: null, done });
  });
}

const stateOf = async (planId: PlanId): Promise<string | undefined> => (await bench.states(planId))["a"];

test("a lease whose renewal is on its way when its time is found to be over goes on, and ends once nobody renews it", async () => {
  const { planId, assignment } = await aLease(1);
  const entry = entryOf(room, assignment.lease);
  const old = entry.leaseUntilMs ?? 0;
  const renewed = renew(room, assignment, 60_000);
  room.keeper.lose(entry, OVER);
  expect(await renewed).toBe("renewed");
  await until(() => room.batcher.waiting === 0 && !entry.ending);
  expect(await stateOf(planId)).toBe("LEASED");
  expect(entryOf(room, assignment.lease)).toBe(entry);
  expect(entry.leaseUntilMs).toBeGreaterThan(old + 10_000);
  // Its entry is watched as before: a later end is carried out.
  expect(await renew(room, assignment, 1)).toBe("renewed");
  await until(async () => {
    room.keeper.lose(entry, OVER);
    await until(() => !entry.ending || room.leases.size === 0);
    return room.leases.size === 0;
  });
  expect(await stateOf(planId)).not.toBe("LEASED");
});

test("a lease that was renewed elsewhere and came back with a sweep is kept for as long as it was renewed there", async () => {
  const { planId, assignment } = await aLease(1);
  const { ordinal, fencing } = assignment.lease;
  const entry = entryOf(room, assignment.lease);
  const old = entry.leaseUntilMs ?? 0;
  expect(await renew(other, assignment, 60_000)).toBe("renewed");
  await new Promise<void>((done) => {
    const item = { orgId: bench.org.orgId, planId, deferrals: 0, ordinal, fencing, lapsed: other.session.id, done };
    room.batcher.push({ kind: "sweep", ...item });
  });
  expect(entryOf(room, assignment.lease)).toBe(entry);
  expect(entry).toMatchObject({ sessionId: room.session.id, ending: false });
  expect(entry.leaseUntilMs).toBeGreaterThan(old + 10_000);
  // Should its end have been found before that, it is the store that says what holds.
  room.keeper.lose(entry, OVER);
  await until(() => room.batcher.waiting === 0 && !entry.ending);
  expect(await stateOf(planId)).toBe("LEASED");
});

test("a lease that was renewed elsewhere is not ended by the server that gave it, which forgets it", async () => {
  const { planId, assignment } = await aLease(1);
  expect(await renew(other, assignment, 60_000)).toBe("renewed");
  room.keeper.lose(entryOf(room, assignment.lease), OVER);
  await until(() => room.leases.size === 0);
  expect((await bench.rows(planId)).get("a")).toMatchObject({ state: "LEASED", sessionId: other.session.id });
});

test("a lease goes with its server from one session into the next, however many there are", async () => {
  const { planId, assignment } = await aLease(60_000);
  for (let n = 0; n < 3; n++) {
    await bench.it.store.platform.endSession(room.session.id);
    expect((await room.session.renew()).anew).toBe(true);
    room.keeper.sessionIsNew();
    room.keeper.bringHome();
    await until(() => room.leases.size === 0 || entryOf(room, assignment.lease).sessionId === room.session.id);
    expect((await bench.rows(planId)).get("a")).toMatchObject({ state: "LEASED", sessionId: room.session.id });
  }
});
