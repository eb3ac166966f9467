// What is said and kept while the store takes no batches. Time goes on by hand. Not here: a database that is really away, see
// ../fault/outage.test.ts.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { GRACE_MS } from "../../src/dispatch/connection.ts";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { step, success } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { attach, openByHand } from "./by-hand.ts";
import type { ByHand } from "./by-hand.ts";
import { aPlan, openPlans, outcomeOf, until } from "./room.ts";

let bench: Bench;
let hand: ByHand;
beforeAll(async () => {
  bench = await openPlans();
});
afterEach(() => hand.server.drain());
afterAll(() => bench.end());

test("outcomes of streams wait unacknowledged, calls are refused, leases stand; when it is back all goes on by itself", async () => {
  const { batches } = bench.it.store;
  let tries = 0;
  let isAway = false;
  hand = await openByHand(bench, {
    batches: {
      run: async (plans, decide, options) => {
        if (!isAway) return await batches.run(plans, decide, options);
        tries += 1;
        throw new StoreUnavailableError("away");
      },
    },
  });
  const { orgId } = bench.org;
  const one = await attach(bench, hand, "shell", { slots: 2 });
  const planId = await aPlan(bench, [step("a"), step("b"), step("c")]);
  hand.server.committed({ wake: [{ orgId, planId }] });
  await until(() => one.given.length === 2);
  const [done, stands] = one.given.map(({ lease }) => lease);
  if (done === undefined || stands === undefined) throw new Error("no leases");

  isAway = true;
  await one.attachment.outcomes([outcomeOf(done, success("{}"))]);
  await until(() => tries > 0);
  expect(hand.server.storeIsAway()).toBe(true);
  const { executorId } = one.attachment.executor;
  const { signal } = new AbortController();
  const principal = { orgId, name: "calls", grants: ["*"], keyId: null, untilMs: null };
  const asked = { principal, executorId, max: 1, waitMs: 0, capabilities: [], leaseMs: 1, idempotency: null };
  const by = { principal, stages: null as never };
  const renewal = { lease: stands, progress: 0, message: "", usage: null, checkpoint: null, lines: [] };
  const refused = { ok: false, refusal: { reason: "UNAVAILABLE", retryable: true } };
  expect(await hand.server.next(asked, signal)).toMatchObject(refused);
  const outcomes = [outcomeOf(stands, success("{}"))];
  expect(await hand.server.report(by, executorId, outcomes, null, signal)).toMatchObject(refused);
  expect(await hand.server.renew(principal, executorId, [renewal], 1, signal)).toMatchObject(refused);
  // Longer than a broken stream's grace: nothing is taken from whoever is there.
  await hand.pass(2 * GRACE_MS);
  await until(() => tries > 1);
  expect([one.acks, one.stops, one.ends]).toEqual([[], [], []]);
  expect([...new Set(Object.values(await bench.states(planId)))].sort()).toEqual(["LEASED", "READY"]);

  isAway = false;
  await until(async () => {
    await hand.pass(250);
    return one.acks.length === 1 && one.given.length === 3;
  });
  expect(one.acks).toMatchObject([{ lease: done, result: { ok: true, value: { duplicate: false } } }]);
  expect(hand.server.storeIsAway()).toBe(false);
  expect((await bench.rows(planId)).get(stands.step)).toMatchObject({ state: "LEASED", fencing: stands.fencing });
});
