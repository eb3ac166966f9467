// Standing loops when the store does not do what they ask. Not here: batches, see batcher.test.ts.
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { ExecutorId } from "../../src/domain/id.ts";
import { ExecutorConnection } from "../../src/dispatch/connection.ts";
import { DispatchUpkeep } from "../../src/dispatch/upkeep.ts";
import { WindowFeed } from "../../src/dispatch/window-feed.ts";
import type { Store } from "../../src/store/ports/store.ts";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { systemClock } from "../../src/support/clock.ts";
import { systemTimers } from "../../src/support/timers.ts";
import type { Bench } from "../operations/bench.ts";
import { openPlans, openRoom, until } from "./room.ts";
import type { Room } from "./room.ts";

let bench: Bench;
let room: Room;
let upkeep: DispatchUpkeep;
let connections: Map<ExecutorId, ExecutorConnection>;
let trouble: (() => Error) | undefined;
beforeAll(async () => {
  bench = await openPlans();
});
afterAll(() => bench.end());
afterEach(async () => {
  trouble = undefined;
  await room.end();
  await upkeep.stop();
});

async function open(): Promise<void> {
  room = await openRoom(bench);
  connections = new Map();
  const { store } = bench.it;
  const failing: Store = {
    ...store,
    transaction: async (orgs, work, options) => {
      if (trouble !== undefined) throw trouble();
      return await store.transaction(orgs, work, options);
    },
  };
  const { windows, takers, leases, batcher, session } = room;
  const log = (event: string, fields: Readonly<Record<string, unknown>>): void => {
    room.log.push({ event, fields });
  };
  const common = { store: failing, clock: systemClock, log };
  upkeep = new DispatchUpkeep({
    ...common,
    timers: systemTimers,
    feed: new WindowFeed({ ...common, windows, takers, poke: () => undefined }),
    session,
    leases,
    batcher,
    connections,
    isArriving: () => false,
    loseConnection: () => undefined,
    loseSlow: () => undefined,
    stopLease: () => undefined,
  });
  await upkeep.start();
}

async function anExecutor(): Promise<ExecutorConnection> {
  const { taker } = await room.addTaker(1);
  room.takers.remove(taker);
  const sink = {
    send: () => true,
    sendStops: () => true,
    sendHeartbeat: () => true,
    end: () => undefined,
  };
  const connection = new ExecutorConnection(taker.executor, sink, {
    incarnation: "one",
    keyId: null,
    nowMs: systemClock.monotonicMs(),
    inFlight: () => 0,
    onSlow: () => undefined,
    onBug: () => undefined,
    onUndelivered: () => undefined,
  });
  connections.set(taker.executor.executorId, connection);
  return connection;
}

test("an executor that left is said to be gone as soon as the store can be told", async () => {
  await open();
  const connection = await anExecutor();
  const { orgId, executorId } = connection.executor;
  const sessionOf = async (): Promise<unknown> =>
    (await bench.it.store.transaction([orgId], (tx) => tx.executors.find(orgId, executorId)))?.sessionId;
  expect(await sessionOf()).toBe(room.session.id);
  let refusals = 0;
  trouble = () => {
    refusals += 1;
    return new StoreUnavailableError("away");
  };
  upkeep.graceOver(connection, orgId);
  await until(() => refusals > 0);
  expect(await sessionOf()).toBe(room.session.id);
  trouble = undefined;
  await until(async () => (await sessionOf()) === null);
});

test("a bug in what a renewal sets in motion is logged; that the store is away is not", async () => {
  await open();
  const connection = await anExecutor();
  let times = 0;
  trouble = () => {
    times += 1;
    return times === 1 ? new StoreUnavailableError("away") : new Error("a bug");
  };
  upkeep.graceOver(connection, connection.executor.orgId);
  await until(() => room.log.some(({ event }) => event === "executor.still_in_session"));
  expect(room.log.filter(({ event }) => event === "executor.still_in_session")[0]?.fields["error"]).toMatch(/a bug/);
  expect(times).toBeGreaterThan(1);
});

test("a renewal that fails for another reason than the store's absence is logged", async () => {
  await open();
  const renew = room.session.renew.bind(room.session);
  room.session.renew = () => Promise.reject(new Error("a bug"));
  await until(() => room.log.some(({ event }) => event === "session.not_renewed"));
  room.session.renew = renew;
});
