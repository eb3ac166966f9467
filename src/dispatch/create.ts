// The dispatcher: takers in, assignments out. Puts the parts of this room together. Not here: the rules, nor what the parts do.
import { GATEKEEPER } from "../domain/gate.ts";
import type { ExecutorId, OrgId } from "../domain/id.ts";
import type { LeaseRef } from "../domain/outcome.ts";
import type { StopOrderDraft } from "../domain/plan/draft.ts";
import { aftermath } from "./aftermath.ts";
import { Batcher } from "./batcher.ts";
import { Calls } from "./calls.ts";
import type { ExecutorConnection } from "./connection.ts";
import type { BatchInput } from "../store/ports/batches.ts";
import type { PlanResult } from "./decide-batch.ts";
import type { Dispatcher } from "./dispatcher.ts";
import { Gates } from "./gates.ts";
import { LeaseTable } from "./leases.ts";
import { Listeners, Logs } from "./listeners.ts";
import { CallHandover } from "./call-handover.ts";
import { ExecutorBook } from "./parts.ts";
import type { DispatcherOptions, Parts } from "./parts.ts";
import { systemTimers } from "../support/timers.ts";
import { Streams } from "./streams.ts";
import { Takers } from "./takers.ts";
import { DispatchUpkeep } from "./upkeep.ts";
import { WindowFeed } from "./window-feed.ts";
import { Windows } from "./windows.ts";

type Follow = (results: readonly PlanResult[], inputs: ReadonlyMap<string, BatchInput>, nowMs: number) => void;

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { store, session, ids, random, storeEpoch, log, clock, timers = systemTimers } = options;
  const windows = new Windows((orgId) => gates?.attend([orgId]));
  const takers = new Takers();
  const leases = new LeaseTable();
  const listeners = new Listeners();
  const connections = new Map<ExecutorId, ExecutorConnection>();

  const stop = (order: StopOrderDraft): void => {
    const entry = leases.get(order.lease.planId, order.lease.ordinal, order.lease.fencing);
    if (entry !== undefined) entry.stopBeforeMs = clock.nowMs() + upkeep.stopGraceMs;
    tellStop(order.executorId, order.lease, order.reason, true);
  };
  const tellStop = (executorId: ExecutorId, lease: LeaseRef, reason: string, outcomeWanted: boolean): void => {
    if (executorId === GATEKEEPER) gates?.stop(lease, reason, outcomeWanted);
    else streams.tellStop(executorId, lease, reason, outcomeWanted);
  };
  const poke = (): void => {
    batcher.poke();
  };
  const feed = new WindowFeed({ store, clock, windows, takers, poke, log });
  const learn = (orgs: ReadonlySet<OrgId>): void => {
    feed.learnDemands(orgs);
  };
  const batcher: Batcher = new Batcher({
    leases,
    store: store.batches,
    writers: options.writers ?? 2,
    windows,
    takers,
    session,
    clock,
    timers,
    log,
    hungry: (taker) => {
      feed.refillSoon(taker);
    },
    contextAt: (nowMs) => ({
      nowMs,
      storeEpoch,
      actor: "maestro",
      stages: null,
      newId: () => ids.uuid(),
      salts: (count) => random.bytes(count),
      fraction: () => random.fraction(),
    }),
    aftermath: (results, inputs, nowMs) => {
      follow(results, inputs, nowMs);
    },
  });
  const follow: Follow = (results, inputs, nowMs) => {
    try {
      aftermath(results, inputs, nowMs, {
        leases,
        windows,
        listeners,
        unknownDemands: learn,
        sendStop: stop,
        expectTimer: (dueMs) => {
          upkeep.expectTimer(dueMs);
        },
        cascade: (orgId, planId) => {
          batcher.push({ kind: "cascade", orgId, planId, deferrals: 0 });
        },
        poke,
      });
    } catch (error) {
      // The commit stands; whatever was not sent is found by grace timers and the refill scan.
      log("aftermath.failed", { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  };
  const upkeep: DispatchUpkeep = new DispatchUpkeep({
    store,
    session,
    clock,
    timers,
    log,
    feed,
    leases,
    batcher,
    connections,
    renewed: options.renewed,
    isArriving: () => streams.isArriving,
    loseConnection: (connection, why) => {
      streams.lose(connection, why);
    },
    loseSlow: (connection) => {
      streams.loseSlow(connection);
    },
    stopLease: (entry, reason) => {
      tellStop(entry.executorId, entry.lease, reason, false);
    },
  });
  const parts: Parts = {
    options,
    timers,
    windows,
    takers,
    leases,
    listeners,
    logs: new Logs(),
    batcher,
    upkeep,
    feed,
    executors: new ExecutorBook(store, clock),
    draining: false,
  };
  const streams = new Streams(parts, connections);
  const calls = new Calls(parts);
  const gates = options.gatekeeper === undefined ? undefined : new Gates(parts, options.gatekeeper);

  return {
    start: async () => {
      await upkeep.start();
    },
    storeIsAway: () => batcher.storeIsAway,
    drain: async () => {
      parts.draining = true;
      streams.endAll();
      await gates?.drain();
      await batcher.drain();
      await upkeep.stop();
    },
    next: async (call, signal) => await calls.next(call, signal),
    report: async (by, executorId, outcomes, idempotency, signal) =>
      await calls.report(by, executorId, outcomes, idempotency, signal),
    renew: async (principal, executorId, renewals, leaseMs) =>
      await calls.renew(principal, executorId, renewals, leaseMs),
    attach: async (hello, sink) => await streams.attach(hello, sink),
    handover: (orgId) =>
      new CallHandover({
        orgId,
        windows,
        takers,
        session,
        batcher,
        isDraining: () => parts.draining,
        follow: (result, inputs) => {
          follow([result], inputs, clock.nowMs());
        },
      }),
    committed: (news) => {
      for (const { orgId, planId } of news.wake ?? []) {
        if (listeners.has(planId)) listeners.moved(orgId, { planId, recordSeq: null, state: null });
      }
      const unknown = windows.offer(news.ready ?? []);
      if (unknown.size > 0) learn(unknown);
      for (const order of news.stops ?? []) stop(order);
      // Who knows what became ready, and what is left to be done, says so; for the others the store is asked.
      const orgs = news.ready === undefined ? (news.wake ?? []).map((plan) => plan.orgId) : [];
      if (orgs.length > 0 || news.goesOn !== false) upkeep.lookSoon(orgs);
      batcher.poke();
    },
    attendGates: (orgs) => gates?.attend(orgs),
    executorChanged: (orgId, executorId) => {
      streams.changed(orgId, executorId);
    },
    keyEnded: (keyId) => {
      streams.keyEnded(keyId);
    },
    listen: (orgId, planId, listener) => listeners.add(orgId, planId, listener),
    logs: (planId, ordinal) => parts.logs.of(planId, ordinal),
    connectedExecutors: (orgId) =>
      [...connections.values()]
        .filter((c) => c.executor.orgId === orgId && c.sink !== null)
        .map((c) => ({ executor: c.executor, freeSlots: c.taker.credit })),
  };
}
