// What a server finds by itself when no event tells of it: ready steps, and leases of servers that are gone. Time goes on by hand.
// Not here: streams, see streams.test.ts.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { RELEASE_GATE } from "../../src/domain/gate.ts";
import type { PlanId, SessionId } from "../../src/domain/id.ts";
import { RENEW_EVERY_MS } from "../../src/dispatch/session.ts";
import { SETTLE_MS } from "../../src/dispatch/upkeep.ts";
import { executorRegister } from "../../src/operations/executor-register.ts";
import { step } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { asAdmin } from "../support/database.ts";
import { newId } from "../support/store.ts";
import { attach, openByHand } from "./by-hand.ts";
import type { ByHand } from "./by-hand.ts";
import { aPlan, openPlans, until } from "./room.ts";

/** Longest time between two looks. */
const LOOK_MS = 5_000;

let bench: Bench;
/** Each test's steps are for its own executors. */
let capability: string;
const opened: ByHand[] = [];
beforeAll(async () => {
  bench = await openPlans();
});
beforeEach(() => {
  capability = newId();
});
afterEach(() => Promise.all(opened.splice(0).map(({ server }) => server.drain())));
afterAll(() => bench.end());

async function open(): Promise<ByHand> {
  const hand = await openByHand(bench);
  opened.push(hand);
  return hand;
}

/** A server that died with a leased step; its session lapsed. */
async function aDeadServer(): Promise<{ readonly planId: PlanId; readonly sessionId: SessionId }> {
  const dies = await open();
  const one = await attach(bench, dies, capability);
  const planId = await aPlan(bench, [step("a", [], { capability })]);
  dies.server.committed({ wake: [{ orgId: bench.org.orgId, planId }] });
  await until(() => one.given.length === 1);
  await lapse(dies.session.id);
  // It ends here without another word to the store.
  await dies.server.drain();
  opened.splice(opened.indexOf(dies), 1);
  return { planId, sessionId: dies.session.id };
}

const lapse = (sessionId: SessionId) =>
  asAdmin(
    bench.it.database.adminUrl,
    (admin) => admin`UPDATE maestro.server_sessions SET expires_ms = 1 WHERE session_id = ${sessionId}`,
  );

async function rowOf(planId: PlanId) {
  const row = (await bench.rows(planId)).get("a");
  if (row === undefined) throw new Error("no step");
  return row;
}

/** So many renewals of its session, each with what follows from it. */
async function renewals(hand: ByHand, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const before = hand.renewals;
    await hand.pass(RENEW_EVERY_MS);
    await until(() => hand.renewals > before);
  }
}

test("ready steps that nobody told of are found by the look, those of a new demand class as well", async () => {
  const hand = await open();
  const one = await attach(bench, hand, capability, { slots: 4 });
  const known = await aPlan(bench, [step("a", [], { capability })]);
  hand.server.committed({ wake: [{ orgId: bench.org.orgId, planId: known }] });
  await until(() => one.given.length === 1);
  // Committed by a server that died before it could tell.
  await aPlan(bench, [step("a", [], { capability })]);
  await aPlan(bench, [step("a", [], { capability, minTrust: 0.5 })]);
  expect(one.given).toHaveLength(1);
  await hand.pass(LOOK_MS);
  await until(() => one.given.length === 3);
});

test("a server that has just begun sweeps nobody; once it has settled, its next renewal brings back what nobody listed", async () => {
  const { planId } = await aDeadServer();
  const hand = await open();
  await renewals(hand, SETTLE_MS / RENEW_EVERY_MS - 1);
  expect(await rowOf(planId)).toMatchObject({ state: "LEASED" });
  await renewals(hand, 2);
  await until(async () => (await rowOf(planId)).state === "READY");
});

test("a gate whose server is gone is judged again, and its attempt says that", async () => {
  let asked = 0;
  const perform = (_: unknown, signal: AbortSignal) => {
    asked += 1;
    return new Promise<never>((_ok, no) =>
      signal.addEventListener("abort", () => no(new Error("called off")), { once: true }),
    );
  };
  const dies = await openByHand(bench, {}, { gatekeeper: { perform } });
  opened.push(dies);
  const kind = { kind: "gate" as const, capability: RELEASE_GATE, input: null, onFailure: "ASK" as const };
  const planId = await aPlan(bench, [{ ...step("a"), ...kind }]);
  dies.server.attendGates([bench.org.orgId]);
  await until(() => asked === 1);
  // It is killed: not a word more, and its time stands still.
  await lapse(dies.session.id);
  const hand = await open();
  await renewals(hand, SETTLE_MS / RENEW_EVERY_MS + 1);
  await until(async () => (await rowOf(planId)).state === "READY");
  const { orgId } = bench.org;
  const [attempt] = await bench.it.store.transaction([orgId], (tx) => tx.plans.allAttempts(orgId, planId));
  expect(attempt).toMatchObject({
    failure: { errorClass: "LOST", message: "the server that judged it was gone; it is judged again" },
  });
});

test("a server whose own session lapsed keeps its leases, and sweeps nobody until others had time to come back as well", async () => {
  const hand = await open();
  const own = await attach(bench, hand, newId());
  const [kept] = own.attachment.executor.spec.capabilities;
  const ownPlan = await aPlan(bench, [step("a", [], { capability: kept ?? "" })]);
  hand.server.committed({ wake: [{ orgId: bench.org.orgId, planId: ownPlan }] });
  await until(() => own.given.length === 1);
  for (let n = 0; n <= SETTLE_MS / RENEW_EVERY_MS; n++) {
    own.attachment.heard();
    await renewals(hand, 1);
  }
  await bench.it.store.platform.endSession(hand.session.id);
  const { planId } = await aDeadServer();
  own.attachment.heard();
  await renewals(hand, 1);
  await until(async () => (await rowOf(ownPlan)).sessionId === hand.session.id);
  await renewals(hand, SETTLE_MS / RENEW_EVERY_MS - 2);
  expect(hand.log.map(({ event }) => event)).toContain("session.renewed_anew");
  expect(await rowOf(planId)).toMatchObject({ state: "LEASED" });
  await renewals(hand, 2);
  await until(async () => (await rowOf(planId)).state === "READY");
  expect([own.stops, own.ends, await rowOf(ownPlan)]).toMatchObject([[], [], { state: "LEASED" }]);
});

test("a lease that calls keep alive is adopted by whoever sweeps its server, and ended by it when nobody renews it", async () => {
  const gives = await open();
  const { orgId } = bench.org;
  const principal = { orgId, name: capability, grants: ["*"], keyId: null, untilMs: null };
  const spec = { name: capability, capabilities: [capability], labels: {}, slots: 1, buildId: "test" };
  const { executorId } = await bench.value(executorRegister(gives.server), { spec });
  const planId = await aPlan(bench, [step("a", [], { capability })]);
  const { signal } = new AbortController();
  const leaseMs = 60_000;
  const asked = { principal, executorId, max: 1, waitMs: 5_000, capabilities: [], leaseMs, idempotency: null };
  expect(await gives.server.next(asked, signal)).toMatchObject({ ok: true, value: [{ lease: { planId } }] });
  await lapse(gives.session.id);
  await gives.server.drain();
  const sweeps = await open();
  await renewals(sweeps, SETTLE_MS / RENEW_EVERY_MS + 1);
  await until(async () => (await rowOf(planId)).sessionId === sweeps.session.id);
  expect(await rowOf(planId)).toMatchObject({ state: "LEASED", executorId });
  // The store's clock does not go by hand: its end is set back instead.
  await asAdmin(
    bench.it.database.adminUrl,
    (admin) => admin`UPDATE maestro.steps SET lease_until_ms = 1 WHERE plan_id = ${planId}`,
  );
  await sweeps.pass(leaseMs);
  await until(async () => (await rowOf(planId)).state === "READY");
});
