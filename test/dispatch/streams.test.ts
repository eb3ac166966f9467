// Streams that break, fall silent or throw, and what becomes of their leases. Time goes on by hand. Not here: readers that do not
// keep up, see slow-reader.test.ts; other servers, see two-servers.test.ts.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { GRACE_MS, HEARTBEAT_MS, SILENCE_MS } from "../../src/dispatch/connection.ts";
import type { PlanId } from "../../src/domain/id.ts";
import type { BatchPlan } from "../../src/store/ports/batches.ts";
import { newId } from "../support/store.ts";
import { step, success } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { attach, openByHand } from "./by-hand.ts";
import type { ByHand, Collector } from "./by-hand.ts";
import { aPlan, openPlans, outcomeOf, until } from "./room.ts";

let bench: Bench;
let hand: ByHand;
/** Which batches meet a bug. */
let poison: (plans: readonly BatchPlan[]) => boolean;
/** Each test's steps are for its own executors. */
let capability: string;
beforeAll(async () => {
  bench = await openPlans();
});
beforeEach(async () => {
  capability = newId();
  poison = () => false;
  const { batches } = bench.it.store;
  hand = await openByHand(bench, {
    batches: {
      run: async (plans, decide, options) => {
        if (poison(plans)) throw new Error("a bug");
        return await batches.run(plans, decide, options);
      },
    },
  });
});
afterEach(() => hand.server.drain());
afterAll(() => bench.end());

async function submit(...keys: readonly string[]): Promise<PlanId> {
  const planId = await aPlan(
    bench,
    keys.map((key) => step(key, [], { capability })),
  );
  hand.server.committed({ wake: [{ orgId: bench.org.orgId, planId }] });
  return planId;
}
const stateOf = async (planId: PlanId, key = "a"): Promise<string | undefined> => (await bench.states(planId))[key];
const leasesOf = (one: Collector) => one.given.map(({ lease }) => lease);

test("a broken stream is given nothing; its leases stand for its grace, and are lost after it", async () => {
  const one = await attach(bench, hand, capability, { slots: 2 });
  const planId = await submit("a");
  await until(() => one.given.length === 1);
  one.attachment.closed();
  const other = await submit("b");
  await hand.pass(GRACE_MS - 250);
  expect(await stateOf(planId)).toBe("LEASED");
  expect(await stateOf(other, "b")).toBe("READY");
  await hand.pass(250);
  await until(async () => (await stateOf(planId)) === "READY");
  expect(one.given).toHaveLength(1);
});

test("of an executor that attaches again in time, listed leases carry on, those that are gone are named, and the others return at once", async () => {
  const one = await attach(bench, hand, capability, { slots: 3 });
  const planId = await submit("done", "forgotten", "held");
  await until(() => one.given.length === 3);
  const [done, forgotten, held] = leasesOf(one).sort((a, b) => (a.step < b.step ? -1 : 1));
  if (done === undefined || forgotten === undefined || held === undefined) throw new Error("no leases");
  await one.attachment.outcomes([outcomeOf(done, success("{}"))]);
  await until(() => one.acks.length === 1);
  one.attachment.closed();
  await hand.pass(GRACE_MS / 2);
  const again = await attach(bench, hand, capability, { slots: 3, held: [done, held] });
  expect(again.attachment).toMatchObject({ resumed: [held], lost: [done] });
  // At once: no time goes by.
  await until(() => again.given.length === 1);
  expect(again.given[0]?.lease).toMatchObject({ step: "forgotten", fencing: forgotten.fencing + 1 });
  // The grace of the stream that broke ends nothing any more.
  await hand.pass(2 * GRACE_MS);
  expect(await bench.states(planId)).toEqual({ done: "SUCCEEDED", forgotten: "LEASED", held: "LEASED" });
  expect(leasesOf(again)).toHaveLength(1);
});

test("an executor that falls silent is told to attach again, and its leases are lost after the grace", async () => {
  const one = await attach(bench, hand, capability);
  const planId = await submit("a");
  await until(() => one.given.length === 1);
  await hand.pass(SILENCE_MS - HEARTBEAT_MS);
  one.attachment.heard();
  await hand.pass(SILENCE_MS);
  expect(one.ends).toEqual([]);
  await hand.pass(250);
  expect(one.ends).toEqual([{ refusal: null, reconnect: true }]);
  await hand.pass(GRACE_MS - 250);
  expect(await stateOf(planId)).toBe("LEASED");
  await hand.pass(250);
  await until(async () => (await stateOf(planId)) === "READY");
});

test("after a stall of the server itself nobody is called silent before the next look", async () => {
  const [alive, dead] = [
    await attach(bench, hand, capability),
    await attach(bench, hand, capability, { name: `dead ${capability}` }),
  ];
  await hand.stall(2 * SILENCE_MS);
  expect([alive.ends, dead.ends]).toEqual([[], []]);
  // What lay unread in its socket.
  alive.attachment.heard();
  await hand.pass(250);
  expect([alive.ends.length, dead.ends.length]).toEqual([0, 1]);
});

test("a sink that throws after the commit costs others nothing: its stream ends, and its leases return after the grace", async () => {
  const throws = (): never => {
    throw new Error("a bug in the transport");
  };
  const sink = { send: throws, sendStops: throws, sendHeartbeat: throws };
  const bad = await attach(bench, hand, capability, { slots: 2, name: `bad ${capability}`, sink });
  const good = await attach(bench, hand, capability, { slots: 2, name: `good ${capability}` });
  const planId = await submit("a", "b", "c", "d");
  await until(async () => Object.values(await bench.states(planId)).every((state) => state === "LEASED"));
  await until(() => good.given.length === 2);
  await until(() => bad.ends.length === 1);
  expect(bad.ends[0]?.reconnect).toBe(true);
  good.attachment.slots(4);
  await hand.pass(GRACE_MS);
  await until(() => good.given.length === 4);
});

test("an acknowledgement that cannot be sent ends its stream, and nothing else", async () => {
  let isBroken = false;
  const send = (assignments: Collector["given"]): boolean => {
    if (isBroken) throw new Error("a bug in the transport");
    given.push(...assignments);
    return true;
  };
  const given: Collector["given"] = [];
  const one = await attach(bench, hand, capability, { sink: { send: (assignments) => send([...assignments]) } });
  const planId = await submit("a");
  await until(() => given.length === 1);
  isBroken = true;
  await one.attachment.outcomes(given.map(({ lease }) => outcomeOf(lease, success("{}"))));
  await until(() => one.ends.length === 1);
  expect(await stateOf(planId)).toBe("SUCCEEDED");
});

test("an end that could not be carried out is tried again by the watch", async () => {
  const one = await attach(bench, hand, capability);
  const planId = await submit("a");
  await until(() => one.given.length === 1);
  poison = (plans) => plans.some((plan) => plan.planId === planId);
  const asides = () => hand.log.filter(({ event, fields }) => event === "item.set_aside" && fields["kind"] === "loss");
  one.attachment.closed();
  await hand.pass(GRACE_MS);
  await until(() => asides().length === 1);
  expect(await stateOf(planId)).toBe("LEASED");
  // Nobody breaks again, and nothing else tells of it.
  await until(async () => {
    await hand.pass(1_000);
    return asides().length === 2;
  });
  poison = () => false;
  await until(async () => {
    await hand.pass(1_000);
    return (await stateOf(planId)) === "READY";
  });
});

test("an executor that attaches with a lease of which nothing can be said goes on with it, and its outcome counts", async () => {
  const one = await attach(bench, hand, capability);
  const planId = await submit("a");
  await until(() => one.given.length === 1);
  one.attachment.closed();
  poison = (plans) => plans.some((plan) => plan.planId === planId);
  const again = await attach(bench, hand, capability, { held: leasesOf(one) });
  expect(again.attachment).toMatchObject({ resumed: leasesOf(one), lost: [] });
  poison = () => false;
  await again.attachment.outcomes(leasesOf(one).map((lease) => outcomeOf(lease, success("{}"))));
  await until(() => again.acks.length === 1);
  expect(again.acks).toMatchObject([{ result: { ok: true } }]);
  expect(await stateOf(planId)).toBe("SUCCEEDED");
});
