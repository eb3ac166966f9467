// The parts of dispatch that batches need, on a real store whose batches can be told to fail, with takers that only collect.
// Not here: expectations.
import type { ExecutorId, PlanId } from "../../src/domain/id.ts";
import { goalOfPlan } from "../../src/domain/id.ts";
import type { Assignment, LeaseRef, Outcome, OutcomeResult, Receipt } from "../../src/domain/outcome.ts";
import { sha256Hex } from "../../src/domain/canonical.ts";
import { NO_LIMITS, NOTHING } from "../../src/domain/amounts.ts";
import type { Decision } from "../../src/domain/refusal.ts";
import type { StepDefinition } from "../../src/domain/step.ts";
import { aftermath } from "../../src/dispatch/aftermath.ts";
import { Batcher } from "../../src/dispatch/batcher.ts";
import type { BatcherOptions } from "../../src/dispatch/batcher.ts";
import { createDispatcher } from "../../src/dispatch/create.ts";
import type { Dispatcher } from "../../src/dispatch/dispatcher.ts";
import type { RenewState } from "../../src/dispatch/items.ts";
import type { DispatcherOptions } from "../../src/dispatch/parts.ts";
import { LeaseKeeper } from "../../src/dispatch/lease-keeper.ts";
import { LeaseTable } from "../../src/dispatch/leases.ts";
import type { LeaseEntry } from "../../src/dispatch/leases.ts";
import { Listeners } from "../../src/dispatch/listeners.ts";
import { ServerSession } from "../../src/dispatch/session.ts";
import { Taker, Takers } from "../../src/dispatch/takers.ts";
import { Windows } from "../../src/dispatch/windows.ts";
import { charterDeclare } from "../../src/operations/charter-declare.ts";
import { goalRefine } from "../../src/operations/goal-refine.ts";
import { graphCommit } from "../../src/operations/graph-commit.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import type { BatchPlan, BatchResult, PlanVerdict } from "../../src/store/ports/batches.ts";
import { systemClock } from "../../src/support/clock.ts";
import { openBench, random, spec, success, terms } from "../operations/bench.ts";
import type { Bench } from "../operations/bench.ts";
import { newId } from "../support/store.ts";

export interface Room {
  readonly batcher: Batcher;
  readonly windows: Windows;
  readonly takers: Takers;
  readonly leases: LeaseTable;
  readonly keeper: LeaseKeeper;
  readonly session: ServerSession;
  readonly log: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
  /** Called before each batch; what it throws fails the batch. */
  before: (plans: readonly BatchPlan[]) => void;
  /** Runs each batch. */
  around: (
    plans: readonly BatchPlan[],
    options: { readonly wait: boolean },
    work: () => Promise<BatchResult>,
  ) => Promise<BatchResult>;
  /** Called after each decision; what it throws fails the batch. */
  decided: (plan: PlanRow, verdict: PlanVerdict) => void;
  /** Milliseconds that the batcher's clock is ahead. */
  aheadMs: number;
  /** Offers the ready steps of a plan to the windows. */
  offer(planId: PlanId): Promise<void>;
  /** An executor with so much room; assignments are collected. */
  addTaker(slots: number): Promise<{ readonly taker: Taker; readonly given: Assignment[] }>;
  /** That it succeeded, for so many tokens. */
  report(assignment: Assignment, tokens?: number): Promise<Decision<Receipt>>;
  renew(lease: LeaseRef, executorId: ExecutorId): Promise<RenewState>;
  end(): Promise<void>;
}

export async function openRoom(
  bench: Bench,
  over: Partial<Pick<BatcherOptions, "writers" | "clock">> = {},
): Promise<Room> {
  const { store } = bench.it;
  const { orgId } = bench.org;
  const windows = new Windows();
  const takers = new Takers();
  const leases = new LeaseTable();
  const listeners = new Listeners();
  // Nobody renews it, and on a machine that is busy a test takes longer than a session lives.
  const stands = { ...systemClock, monotonicMs: () => 0 };
  const session = new ServerSession(store.platform, stands, newId, { address: "here", build: "test" });
  await session.open();
  const log: Room["log"] = [];
  const clock = { monotonicMs: () => systemClock.monotonicMs() + room.aheadMs };
  const batcher: Batcher = new Batcher({
    leases,
    store: {
      run: async (plans, decide, options) => {
        room.before(plans);
        const decideHere: typeof decide = (slice, nowMs) => {
          const verdict = decide(slice, nowMs);
          room.decided(slice.plan, verdict);
          return verdict;
        };
        return await room.around(plans, options, () => store.batches.run(plans, decideHere, options));
      },
    },
    writers: over.writers ?? 2,
    windows,
    takers,
    session,
    clock: over.clock ?? clock,
    hungry: () => undefined,
    contextAt: (nowMs) => ({
      nowMs,
      storeEpoch: 1,
      actor: "maestro",
      stages: null,
      newId,
      salts: (count) => random.bytes(count),
      fraction: () => 0.5,
    }),
    aftermath: (results, inputs, nowMs) => {
      aftermath(results, inputs, nowMs, {
        leases,
        windows,
        listeners,
        unknownDemands: () => undefined,
        sendStop: () => undefined,
        expectTimer: () => undefined,
        cascade: () => undefined,
        poke: () => {
          batcher.poke();
        },
      });
    },
    log: (event, fields) => log.push({ event, fields }),
  });
  const room: Room = {
    batcher,
    windows,
    takers,
    leases,
    session,
    log,
    keeper: new LeaseKeeper({ leases, batcher, clock, stopLease: () => undefined }),
    before: () => undefined,
    around: (_, __, work) => work(),
    decided: () => undefined,
    aheadMs: 0,
    offer: async (planId) => {
      windows.learn(await store.transaction([orgId], (tx) => tx.executors.demands(orgId)));
      const rows = [...(await bench.rows(planId)).values()];
      windows.offer(
        rows.flatMap(({ ordinal, demandId, orderKey }) =>
          orderKey === null ? [] : [{ orgId, planId, ordinal, demandId, orderKey }],
        ),
      );
      batcher.poke();
    },
    addTaker: async (slots) => {
      const executor = await store.transaction([orgId], async (tx) =>
        tx.executors.register(
          orgId,
          newId() as ExecutorId,
          { name: newId(), capabilities: ["shell"], labels: {}, slots, buildId: "test" },
          session.id,
          await tx.nowMs(),
        ),
      );
      const given: Assignment[] = [];
      const taker: Taker = new Taker(executor, {
        capacity: () => slots - leases.count(executor.executorId),
        leaseMs: null,
        capabilities: [],
        deliver: (assignments) => given.push(...assignments),
      });
      takers.add(taker);
      batcher.poke();
      return { taker, given };
    },
    report: (assignment, tokens = 0) =>
      new Promise((done) => {
        const { lease, executorId } = assignment;
        const item = { deferrals: 0, executorId, actor: "executor", stages: null as never, done };
        batcher.push({
          kind: "outcome",
          orgId,
          planId: lease.planId,
          outcome: outcomeOf(lease, success("{}"), tokens),
          ...item,
        });
      }),
    renew: (lease, executorId) =>
      new Promise((done) => {
        const item = { deferrals: 0, lease, executorId, leaseMs: null, checkpoint: null, done };
        batcher.push({ kind: "renew", orgId, planId: lease.planId, ...item });
      }),
    end: async () => {
      room.before = () => undefined;
      room.around = (_, __, work) => work();
      await batcher.drain();
      await session.end();
    },
  };
  return room;
}

export function outcomeOf(lease: LeaseRef, result: OutcomeResult, tokens = 0): Outcome {
  return {
    lease,
    result,
    usage: { ...NOTHING, tokens },
    artifacts: [],
    bodyDigest: sha256Hex(`${lease.planId}${lease.step}${String(lease.fencing)}`),
    logTail: "",
  };
}

/** A bench with a charter without limits, and one with a hundred tokens. */
export async function openPlans(): Promise<Bench> {
  const bench = await openBench();
  await bench.value(charterDeclare, { name: "free", terms: terms(), expectedRevision: 0 });
  const budget = { ...NO_LIMITS, tokens: 100, currency: "" };
  await bench.value(charterDeclare, { name: "poor", terms: terms({ budget }), expectedRevision: 0 });
  return bench;
}

/** A committed plan. */
export async function aPlan(bench: Bench, steps: readonly StepDefinition[], charter = "free"): Promise<PlanId> {
  const target = { kind: "new", charter, spec: spec() } as const;
  const refined = await bench.value(goalRefine(bench.heavy), { target, steps, version: 0, open: false });
  const { planId } = refined.goal;
  const commit = { goalId: goalOfPlan(planId), version: 1, expectedActiveVersion: 0, acceptLate: false };
  await bench.value(graphCommit(bench.heavy), commit);
  return planId;
}

/** Waits for a condition; the longest wait is the test's own. */
export async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 5));
}

export function entryOf(room: Room, { planId, ordinal, fencing }: LeaseRef): LeaseEntry {
  const entry = room.leases.get(planId, ordinal, fencing);
  if (entry === undefined) throw new Error("no such lease");
  return entry;
}

/** A dispatcher of its own on the bench's store, started. */
export async function openDispatcher(
  { it: { store } }: Bench,
  log: (event: string) => void = () => undefined,
  more: Partial<DispatcherOptions> = {},
): Promise<Dispatcher> {
  const session = new ServerSession(store.platform, systemClock, newId, { address: "here", build: "test" });
  await session.open();
  const ids = { uuid: newId };
  const options = { store, session, storeEpoch: 1, clock: systemClock, ids, random, log, ...more };
  const server = createDispatcher(options);
  await server.start();
  return server;
}
