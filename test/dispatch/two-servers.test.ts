// Two dispatchers on one database: together they perform every step, once; what one leaves behind the other brings back.
// Not here: processes that are killed, see test/fault.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { PlanId } from "../../src/domain/id.ts";
import type { Assignment, LeaseRef } from "../../src/domain/outcome.ts";
import type { Attachment, Dispatcher, StreamSink } from "../../src/dispatch/dispatcher.ts";
import { executorRegister } from "../../src/operations/executor-register.ts";
import { step, success } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { asAdmin } from "../support/database.ts";
import { aPlan, openDispatcher, openPlans, outcomeOf, until } from "./room.ts";

let bench: Bench;
const servers = new Set<Dispatcher>();
/** Events of the servers' logs. */
const said: string[] = [];
beforeAll(async () => {
  bench = await openPlans();
});
afterEach(async () => {
  await Promise.all([...servers].map((server) => server.drain()));
  servers.clear();
});
afterAll(() => bench.end());

async function openServer(): Promise<Dispatcher> {
  const server = await openDispatcher(bench, (event) => said.push(event));
  servers.add(server);
  return server;
}

interface Worker {
  readonly attachment: Attachment;
  readonly given: Assignment[];
  readonly receipts: LeaseRef[];
  readonly refusals: string[];
  isTold: boolean;
}

/** An executor; one that works reports success of whatever it is given. */
async function attach(
  server: Dispatcher,
  name: string,
  works: boolean,
  held: readonly LeaseRef[] = [],
): Promise<Worker> {
  const given: Assignment[] = [];
  const receipts: LeaseRef[] = [];
  const refusals: string[] = [];
  const finish = (leases: readonly LeaseRef[]): void => {
    void worker.attachment.outcomes(leases.map((lease) => outcomeOf(lease, success("{}"))));
  };
  // It may be asked for a sign of life before it is welcome.
  let heard = (): void => undefined;
  const sink: StreamSink = {
    send: (assignments, acks) => {
      given.push(...assignments);
      if (works && assignments.length > 0) finish(assignments.map(({ lease }) => lease));
      for (const { lease, result } of acks)
        if (result.ok) receipts.push(lease);
        else refusals.push(result.refusal.reason);
      return true;
    },
    sendStops: () => true,
    sendHeartbeat: () => {
      heard();
      return true;
    },
    end: () => {
      worker.isTold = true;
      setImmediate(() => {
        worker.attachment.closed();
      });
    },
  };
  const { orgId } = bench.org;
  const attached = await server.attach(
    {
      principal: { orgId, name, grants: ["*"], keyId: null, untilMs: null },
      stages: null as never,
      spec: { name, capabilities: ["shell"], labels: {}, slots: 20, buildId: "test" },
      incarnation: name,
      held,
      unsent: [],
    },
    sink,
  );
  if (!attached.ok) throw new Error(attached.refusal.explanation);
  const worker: Worker = { attachment: attached.value, given, receipts, refusals, isTold: false };
  heard = () => worker.attachment.heard();
  if (works) finish(held);
  return worker;
}

/** So many roots, each with a step that needs it. */
function pairs(count: number): ReturnType<typeof step>[] {
  return Array.from({ length: count }, (_, i) => [
    step(`a${String(i)}`),
    step(`b${String(i)}`, [`a${String(i)}`]),
  ]).flat();
}

const isDone = async (planId: PlanId): Promise<boolean> =>
  Object.values(await bench.states(planId)).every((state) => state === "SUCCEEDED");
const idOf = ({ planId, ordinal }: LeaseRef): string => `${planId}/${String(ordinal)}`;

test("two servers share the work of many plans, and every step is performed once", async () => {
  const plans = await Promise.all(Array.from({ length: 4 }, () => aPlan(bench, pairs(60))));
  const both = await Promise.all([openServer(), openServer()]);
  const workers = await Promise.all(
    both.flatMap((server, i) => [attach(server, `one-${String(i)}`, true), attach(server, `two-${String(i)}`, true)]),
  );
  for (const planId of plans) await until(() => isDone(planId));
  await until(() => workers.reduce((sum, { receipts }) => sum + receipts.length, 0) === 480);
  const given = workers.flatMap((worker) => worker.given);
  expect(given).toHaveLength(480);
  expect(new Set(given.map(({ lease }) => idOf(lease))).size).toBe(480);
  expect(given.every(({ attempt }) => attempt === 1)).toBe(true);
  expect(workers.flatMap(({ refusals }) => refusals)).toEqual([]);
  // Both took part.
  for (const i of [0, 2])
    expect((workers[i]?.given.length ?? 0) + (workers[i + 1]?.given.length ?? 0)).toBeGreaterThan(0);
});

test("of a server that ends, executors carry their leases over; what nobody lists comes back and is performed", async () => {
  const planId = await aPlan(bench, pairs(20));
  const [ends, stays] = await Promise.all([openServer(), openServer()]);
  const idle = await attach(ends, "moves", false);
  await until(() => idle.given.length === 20);
  await ends.drain();
  servers.delete(ends);
  expect(idle.isTold).toBe(true);
  expect(new Set(Object.values(await bench.states(planId)))).toEqual(new Set(["LEASED", "PENDING"]));
  // It remembers half of what it was given.
  const held = idle.given.slice(0, 10).map(({ lease }) => lease);
  const back = await attach(stays, "moves", true, held);
  expect(back.attachment.resumed.map(idOf)).toEqual(held.map(idOf));
  expect(back.attachment.lost).toEqual([]);
  await until(() => isDone(planId));
  await until(() => back.receipts.length === 40);
  expect(new Set(back.receipts.map(idOf)).size).toBe(40);
  expect(back.refusals).toEqual([]);
  const again = back.given.filter(({ lease }) => idle.given.some((other) => idOf(other.lease) === idOf(lease)));
  expect(again.map(({ lease }) => idOf(lease)).sort()).toEqual(
    idle.given
      .slice(10)
      .map(({ lease }) => idOf(lease))
      .sort(),
  );
});

test("a lease that is renewed by a call at another server than the one that gave it is ended by the one that renewed it", async () => {
  const planId = await aPlan(bench, [step("alone")]);
  const [gives, renews] = await Promise.all([openServer(), openServer()]);
  const { orgId } = bench.org;
  const principal = { orgId, name: "calls", grants: ["*"], keyId: null, untilMs: null };
  const spec = { name: "calls", capabilities: ["shell"], labels: {}, slots: 1, buildId: "test" };
  const { executorId } = await bench.value(executorRegister(gives), { spec });
  const { signal } = new AbortController();
  const asked = { principal, executorId, max: 1, waitMs: 5_000, capabilities: [], leaseMs: 60_000, idempotency: null };
  const given = await gives.next(asked, signal);
  const [assignment] = given.ok ? given.value : [];
  if (assignment === undefined) throw new Error("it was given nothing");
  const { lease } = assignment;
  const renewal = { lease, progress: 0, message: "", usage: null, checkpoint: null, lines: [] };
  expect(await renews.renew(principal, executorId, [renewal], 400, signal)).toMatchObject({
    value: { renewed: [lease] },
  });
  // Nobody renews it any more, and no server ends meanwhile.
  await until(async () => (await bench.states(planId))["alone"] === "READY");
});

test("of a call that is made at two servers under one key, both answer with the same leases, and no step is set aside", async () => {
  const { orgId } = bench.org;
  const principal = { orgId, name: "twice", grants: ["*"], keyId: null, untilMs: null };
  const spec = { name: "twice", capabilities: ["shell"], labels: {}, slots: 50, buildId: "test" };
  const both = await Promise.all([openServer(), openServer()]);
  const { executorId } = await bench.value(executorRegister(both[0]), { spec });
  const { signal } = new AbortController();
  for (let n = 0; n < 8; n++) {
    const idempotency = { key: `twice ${String(n)}`, bodyDigest: new Uint8Array(32).fill(n) };
    const asked = { principal, executorId, max: 3, waitMs: 8_000, capabilities: [], leaseMs: 60_000, idempotency };
    const calls = both.map((server) => server.next(asked, signal));
    // Steps for whoever is quicker, on both sides: each server hears of a plan of its own.
    await Promise.all(
      both.map(async (server) => {
        const planId = await aPlan(bench, [step("one"), step("two")]);
        server.committed({ wake: [{ orgId, planId }] });
      }),
    );
    const [first, second] = await Promise.all(calls);
    const leases = (answer: typeof first) =>
      answer?.ok === true ? answer.value.map(({ lease }) => idOf(lease)).sort() : [answer?.refusal.reason];
    expect(leases(first).length).toBeGreaterThan(0);
    expect(leases(second)).toEqual(leases(first));
  }
  expect(said.filter((event) => event === "item.set_aside" || event === "batch.bisected")).toEqual([]);
});

test(
  "a server that was started sweeps nothing while executors are still on their way to it",
  { timeout: 60_000 },
  async () => {
    const planId = await aPlan(bench, pairs(20));
    const ends = await openServer();
    const idle = await attach(ends, "late", false);
    await until(() => idle.given.length === 20);
    await ends.drain();
    servers.delete(ends);
    const started = await openServer();
    const held = idle.given.slice(0, 10).map(({ lease }) => lease);
    await asAdmin(bench.it.database.adminUrl, async (admin) => {
      const lapsedMs = async (): Promise<number> => {
        const [row] = await admin<{ ms: number | null }[]>`
          SELECT (maestro.clock_ms() - max(v.expires_ms))::int AS ms FROM maestro.server_sessions v
          WHERE v.ended_ms IS NOT NULL AND v.session_id IN (SELECT session_id FROM maestro.steps WHERE plan_id = ${planId})`;
        return row?.ms ?? Number.POSITIVE_INFINITY;
      };
      await until(async () => (await lapsedMs()) > -1_000);
      // Others come before it, for longer than sweeps are apart.
      while ((await lapsedMs()) < 2_500) await attach(started, "early", true);
    });
    const back = await attach(started, "late", true, held);
    expect(back.attachment.resumed.map(idOf)).toEqual(held.map(idOf));
    expect(back.attachment.lost).toEqual([]);
    // What it did not list comes back now.
    await until(() => isDone(planId));
    expect(back.refusals).toEqual([]);
  },
);
