// A stream whose reader does not keep up: it is told so, and its leases wait for it. Not here: the bound itself, see the outbox.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Assignment } from "../../src/domain/outcome.ts";
import type { Refusal } from "../../src/domain/refusal.ts";
import type { Dispatcher, Hello, StreamSink } from "../../src/dispatch/dispatcher.ts";
import { step } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { aPlan, openDispatcher, openPlans, until } from "./room.ts";

let bench: Bench;
let server: Dispatcher;
beforeAll(async () => {
  bench = await openPlans();
  server = await openDispatcher(bench);
});
afterEach(() => server.drain());
afterAll(() => bench.end());

test("is told, and finds its leases again when it attaches anew", async () => {
  const ends: [Refusal | null, boolean][] = [];
  const sent: Assignment[] = [];
  const hello = (held: Hello["held"]): Hello => ({
    principal: { orgId: bench.org.orgId, name: "slow", grants: ["*"], keyId: null, untilMs: null },
    stages: null as never,
    spec: { name: "slow", capabilities: ["shell"], labels: {}, slots: 1, buildId: "test" },
    incarnation: "one",
    held,
    unsent: [],
  });
  const slow: StreamSink = {
    send: (assignments) => {
      sent.push(...assignments);
      return false;
    },
    sendStops: () => true,
    sendHeartbeat: () => true,
    end: (refusal, reconnect) => ends.push([refusal, reconnect]),
  };
  expect((await server.attach(hello([]), slow)).ok).toBe(true);
  const planId = await aPlan(bench, [step("a")]);
  server.committed({ wake: [{ orgId: bench.org.orgId, planId }] });
  await until(() => ends.length > 0);
  expect(ends.map(([refusal, reconnect]) => [refusal?.reason, reconnect])).toEqual([["SLOW_READER", true]]);
  const [given] = sent;
  if (given === undefined) throw new Error("nothing was assigned");
  const again = await server.attach(hello([given.lease]), { ...slow, send: () => true });
  expect(again.ok && again.value.resumed).toEqual([given.lease]);
});
