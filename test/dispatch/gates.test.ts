// Gate steps are performed by servers themselves: whichever is there takes them, and nobody else's word counts. Not here: what a
// gate asks and answers.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Dispatcher, Gatekeeper, LeasedGate } from "../../src/dispatch/dispatcher.ts";
import { GATEKEEPER, RELEASE_GATE } from "../../src/domain/gate.ts";
import type { PlanId } from "../../src/domain/id.ts";
import type { OutcomeResult } from "../../src/domain/outcome.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { planCancel } from "../../src/operations/plan-cancel.ts";
import { step, success } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { aPlan, openDispatcher, openPlans, outcomeOf, until } from "./room.ts";

let bench: Bench;
const servers = new Set<Dispatcher>();
beforeAll(async () => {
  bench = await openPlans();
});
afterEach(async () => {
  await Promise.all([...servers].map((server) => server.drain()));
  servers.clear();
});
afterAll(() => bench.end());

interface Asked {
  readonly gate: LeasedGate;
  readonly signal: AbortSignal;
  readonly answer: (result: OutcomeResult) => void;
}

/** Whoever is asked answers when the test says so, or when it is called off. */
async function aServer(
  log: (event: string) => void = () => undefined,
): Promise<{ readonly server: Dispatcher; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const gatekeeper: Gatekeeper = {
    perform: (gate, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error("called off")), { once: true });
        asked.push({ gate, signal, answer: resolve });
      }),
  };
  const server = await openDispatcher(bench, log, { gatekeeper });
  servers.add(server);
  // As a server does at its start, and now and then.
  server.attendGates(await bench.it.store.platform.readyFor(RELEASE_GATE));
  return { server, asked };
}

const gate = (key: string, needs: readonly string[] = [], parts: Partial<StepDefinition> = {}): StepDefinition => ({
  ...step(key, needs),
  kind: "gate",
  capability: RELEASE_GATE,
  input: null,
  onFailure: "ASK",
  ...parts,
});

async function first(asked: readonly Asked[]): Promise<Asked> {
  await until(() => asked.length > 0);
  const [one] = asked;
  if (one === undefined) throw new Error("nobody was asked");
  return one;
}
const stateOf = async (planId: PlanId, key: string): Promise<string | undefined> => (await bench.states(planId))[key];

test("a gate that was ready before the server came is found, performed, and lets what depends on it go on", async () => {
  const planId = await aPlan(bench, [gate("gate"), step("release", ["gate"])]);
  expect(await bench.it.store.platform.readyFor(RELEASE_GATE)).toEqual([bench.org.orgId]);
  const { asked } = await aServer();
  const one = await first(asked);
  expect(one.gate).toMatchObject({ orgId: bench.org.orgId, attempt: 1, lease: { planId, step: "gate" } });
  expect(await stateOf(planId, "release")).toBe("PENDING");
  one.answer(success('{"passed":true}'));
  await until(async () => (await stateOf(planId, "release")) === "READY");
  const [row] = [...(await bench.rows(planId)).values()];
  expect(row).toMatchObject({ state: "SUCCEEDED", executorId: null });
  const attempts = await bench.it.store.transaction([bench.org.orgId], (tx) =>
    tx.plans.allAttempts(bench.org.orgId, planId),
  );
  expect(attempts).toMatchObject([
    { executorId: GATEKEEPER, usage: { wallMs: 0 }, outputs: { text: '{"passed":true}' } },
  ]);
  const records = await bench.it.store.transaction([bench.org.orgId], (tx) =>
    tx.records.ofPlan(bench.org.orgId, planId, 0, 10),
  );
  const [reported] = records.filter(({ kind }) => kind === "outcome.report");
  expect(JSON.parse(reported?.header ?? "{}")).toMatchObject({ actor: "maestro" });
});

test("one of two servers performs a gate; nobody outside says what came of it", async () => {
  const [a, b] = [await aServer(), await aServer()];
  const planId = await aPlan(bench, [gate("gate")]);
  for (const { server } of [a, b]) server.committed({ wake: [{ orgId: bench.org.orgId, planId }] });
  await until(() => a.asked.length + b.asked.length > 0);
  const one = await first([...a.asked, ...b.asked]);
  const principal = { orgId: bench.org.orgId, name: "mallory", grants: ["*"], keyId: null, untilMs: null };
  const { signal } = new AbortController();
  const said = await a.server.report(
    { principal, stages: null as never },
    GATEKEEPER,
    [outcomeOf(one.gate.lease, success("{}"))],
    null,
    signal,
  );
  expect(said).toMatchObject({ ok: false, refusal: { reason: "EXECUTOR_UNFIT" } });
  const renewed = await a.server.renew(principal, GATEKEEPER, [], 60_000, signal);
  expect(renewed).toMatchObject({ ok: false, refusal: { reason: "EXECUTOR_UNFIT" } });
  expect(await stateOf(planId, "gate")).toBe("LEASED");
  one.answer(success("{}"));
  await until(async () => (await stateOf(planId, "gate")) === "SUCCEEDED");
  expect(a.asked.length + b.asked.length).toBe(1);
});

test("a server that goes down gives its gate back unbegun, and another one judges it", async () => {
  const planId = await aPlan(bench, [gate("gate")]);
  const going = await aServer();
  const one = await first(going.asked);
  const staying = await aServer();
  await going.server.drain();
  expect(one.signal.aborted).toBe(true);
  expect(await stateOf(planId, "gate")).toBe("READY");
  staying.server.attendGates(await bench.it.store.platform.readyFor(RELEASE_GATE));
  const other = await first(staying.asked);
  expect(other.gate.attempt).toBe(1);
  other.answer(success("{}"));
  await until(async () => (await stateOf(planId, "gate")) === "SUCCEEDED");
});

test("a gate is called off when its plan is cancelled", async () => {
  const planId = await aPlan(bench, [gate("gate")]);
  const { server, asked } = await aServer();
  const one = await first(asked);
  const result = await bench.run(planCancel, { planId, reason: "not today", compensate: false });
  if (!("done" in result)) throw new Error(result.refusal.explanation);
  server.committed(result.done);
  await until(() => one.signal.aborted);
  await until(async () => (await stateOf(planId, "gate")) === "CANCELLED");
});

test("a gate that takes too long is called off, and its attempt counts", async () => {
  const planId = await aPlan(bench, [gate("gate", [], { timeoutMs: 1 })]);
  const { asked } = await aServer();
  const one = await first(asked);
  await until(() => one.signal.aborted);
  await until(async () => (await stateOf(planId, "gate")) === "AWAITING_APPROVAL");
});

test("what cannot be said of a gate is logged, and its attempt's time ends it", async () => {
  const planId = await aPlan(bench, [gate("gate", [], { timeoutMs: 500 })]);
  const events: string[] = [];
  const { asked } = await aServer((event) => events.push(event));
  const one = await first(asked);
  // No digest can be made of it.
  one.answer({ kind: "returned", message: 1n as never });
  await until(() => events.includes("gate.not_reported"));
  await until(async () => (await stateOf(planId, "gate")) === "AWAITING_APPROVAL");
});
