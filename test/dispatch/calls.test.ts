// What calls of executors are answered when a bug or the end of the server comes between. Not here: answers that went well, see
// test/transport.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Assignment, LeaseRef } from "../../src/domain/outcome.ts";
import { createDispatcher } from "../../src/dispatch/create.ts";
import type { Dispatcher, RenewalReport } from "../../src/dispatch/dispatcher.ts";
import { BUG } from "../../src/dispatch/items.ts";
import { ServerSession } from "../../src/dispatch/session.ts";
import { systemClock } from "../../src/support/clock.ts";
import type { Principal } from "../../src/domain/principal.ts";
import type { ExecutorId } from "../../src/domain/id.ts";
import type { BatchPlan } from "../../src/store/ports/batches.ts";
import { random, step, success } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { newId } from "../support/store.ts";
import { aPlan, openPlans, outcomeOf } from "./room.ts";

let bench: Bench;
let server: Dispatcher;
let poison: (plans: readonly BatchPlan[]) => boolean = () => false;
const signal = new AbortController().signal;
beforeAll(async () => {
  bench = await openPlans();
});
afterEach(async () => {
  poison = () => false;
  await server.drain();
});
afterAll(() => bench.end());

interface Caller {
  readonly principal: Principal;
  readonly executorId: ExecutorId;
  readonly given: readonly Assignment[];
}

/** An executor without a stream that was given so many steps of one plan. */
async function aCaller(count: number): Promise<Caller> {
  const { store } = bench.it;
  const { orgId } = bench.org;
  const session = new ServerSession(store.platform, systemClock, newId, { address: "here", build: "test" });
  await session.open();
  const batches: typeof store.batches = {
    run: async (plans, decide, options) => {
      if (poison(plans)) throw new Error("a bug");
      return await store.batches.run(plans, decide, options);
    },
  };
  server = createDispatcher({
    store: { ...store, batches },
    session,
    storeEpoch: 1,
    clock: systemClock,
    ids: { uuid: newId },
    random,
    log: () => undefined,
  });
  await server.start();
  await aPlan(
    bench,
    Array.from({ length: count }, (_, i) => step(`s${String(i)}`)),
  );
  const executorId = newId() as ExecutorId;
  const spec = { name: executorId, capabilities: ["shell"], labels: {}, slots: 10, buildId: "test" };
  await store.transaction([orgId], async (tx) =>
    tx.executors.register(orgId, executorId, spec, null, await tx.nowMs()),
  );
  const principal: Principal = { orgId, name: "caller", grants: ["*"], keyId: null, untilMs: null };
  const call = {
    principal,
    executorId,
    max: count,
    waitMs: 5_000,
    capabilities: [],
    leaseMs: 60_000,
    idempotency: null,
  };
  const next = await server.next(call, signal);
  if (!next.ok) throw new Error(next.refusal.explanation);
  expect(next.value).toHaveLength(count);
  return { principal, executorId, given: next.value };
}

const report = (
  caller: Caller,
  leases: readonly LeaseRef[],
  until: AbortSignal = signal,
): ReturnType<Dispatcher["report"]> =>
  server.report(
    { principal: caller.principal, stages: null as never },
    caller.executorId,
    leases.map((lease) => outcomeOf(lease, success("{}"))),
    null,
    until,
  );
const renewalOf = (lease: LeaseRef): RenewalReport => ({
  lease,
  progress: 0,
  message: "",
  usage: null,
  checkpoint: null,
  lines: [],
});
const renew = (caller: Caller, leases: readonly LeaseRef[]): ReturnType<Dispatcher["renew"]> =>
  server.renew(caller.principal, caller.executorId, leases.map(renewalOf), 60_000, signal);

test("a report that meets a bug fails as a bug; in a list the others are answered", async () => {
  const caller = await aCaller(3);
  const [bad, good, other] = caller.given.map(({ lease }) => lease);
  if (bad === undefined || good === undefined || other === undefined) throw new Error("no leases");
  poison = (plans) => plans.some(({ ordinals }) => ordinals.includes(bad.ordinal));
  const answer = await report(caller, [bad, good]);
  expect(answer).toMatchObject({ ok: true, value: [{ ok: false, refusal: BUG }, { ok: true }] });
  await expect(report(caller, [bad])).rejects.toThrow("could not be carried out");
});

test("a report whose call was cut before it began changes nothing", async () => {
  const caller = await aCaller(1);
  const leases = caller.given.map(({ lease }) => lease);
  expect(await report(caller, leases, AbortSignal.abort())).toMatchObject({
    ok: true,
    value: [{ ok: false, refusal: { reason: "UNAVAILABLE", retryable: true } }],
  });
  expect(await report(caller, leases)).toMatchObject({ ok: true, value: [{ ok: true, value: { duplicate: false } }] });
});

test("a renewal that meets a bug is not called lost, and does not keep others from being renewed", async () => {
  const caller = await aCaller(2);
  const leases = caller.given.map(({ lease }) => lease);
  const [bad] = leases;
  if (bad === undefined) throw new Error("no leases");
  poison = (plans) => plans.some(({ ordinals }) => ordinals.includes(bad.ordinal));
  const answer = await renew(caller, leases);
  expect(answer).toMatchObject({ ok: true, value: { lost: [], stopping: [] } });
  expect(answer.ok && answer.value.renewed).toHaveLength(2);
  await expect(renew(caller, [bad])).rejects.toThrow("could be renewed");
});

test("a renewal that a server which goes down cannot carry out is to be repeated", async () => {
  const caller = await aCaller(1);
  await server.drain();
  const answer = await renew(
    caller,
    caller.given.map(({ lease }) => lease),
  );
  expect(answer).toMatchObject({ ok: false, refusal: { reason: "DRAINING", retryable: true } });
});
