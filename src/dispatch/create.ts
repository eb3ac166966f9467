// The dispatcher: takers in, assignments out. Puts the parts of this room together. Not here: the rules, and the standing
// loops (upkeep.ts).
import { payloadText } from "../domain/payload.ts";
import type { Executor } from "../domain/executor.ts";
import type { ExecutorId, IdMaker, OrgId } from "../domain/id.ts";
import type { Assignment, LeaseRef, Outcome, Receipt } from "../domain/outcome.ts";
import type { StopOrderDraft } from "../domain/plan/draft.ts";
import type { Principal } from "../domain/principal.ts";
import { decided, refusal, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { StepRow } from "../domain/step.ts";
import type { BatchKey } from "../store/ports/batches.ts";
import type { IdempotentCall } from "../store/ports/idempotency.ts";
import type { Store } from "../store/ports/store.ts";
import type { Clock } from "../support/clock.ts";
import type { Random } from "../support/random.ts";
import { aftermath } from "./aftermath.ts";
import { Batcher } from "./batcher.ts";
import { ExecutorConnection, GRACE_MS, SLOW } from "./connection.ts";
import type { Attachment, CallKey, Dispatcher, Hello, NextCall, Renewed, RenewalReport, StreamSink } from "./dispatcher.ts";
import type { RenewState } from "./items.ts";
import { KEY_LIFETIME_MS, KeyBook } from "./keys.ts";
import { LeaseTable } from "./leases.ts";
import { Listeners, Logs } from "./listeners.ts";
import { PullCall } from "./pull.ts";
import type { ServerSession } from "./session.ts";
import { Takers } from "./takers.ts";
import { DispatchUpkeep } from "./upkeep.ts";
import { Windows } from "./windows.ts";

export interface DispatcherOptions {
  readonly store: Store;
  readonly session: ServerSession;
  readonly storeEpoch: number;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly random: Random;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Batches under way at once. */
  readonly writers?: number;
}

/** Checkpoints of an attempt are written at most this often. */
const CHECKPOINT_EVERY_MS = 10_000;

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  return new DispatcherImpl(options);
}

class DispatcherImpl implements Dispatcher {
  readonly #o: DispatcherOptions;
  readonly #windows = new Windows();
  readonly #takers = new Takers();
  readonly #leases = new LeaseTable();
  readonly #listeners = new Listeners();
  readonly #logs = new Logs();
  readonly #connections = new Map<ExecutorId, ExecutorConnection>();
  readonly #batcher: Batcher;
  readonly #upkeep: DispatchUpkeep;
  readonly #keys: KeyBook;
  #draining = false;

  constructor(options: DispatcherOptions) {
    this.#o = options;
    this.#keys = new KeyBook(options.store);
    const { store, session, ids, random, storeEpoch, log } = options;
    this.#batcher = new Batcher({
      store: store.batches,
      writers: options.writers ?? 2,
      windows: this.#windows,
      takers: this.#takers,
      session,
      hungry: (taker) => { this.#upkeep.refillSoon(taker); },
      contextAt: (nowMs) => ({ nowMs, storeEpoch, actor: "maestro", newId: () => ids.uuid(), salts: (count) => random.bytes(count), fraction: () => random.fraction() }),
      aftermath: (results, inputs, nowMs) => {
        try {
          aftermath(results, inputs, nowMs, {
            leases: this.#leases,
            windows: this.#windows,
            listeners: this.#listeners,
            unknownDemands: (orgs) => { this.#upkeep.learnDemands(orgs); },
            sendStop: (orgId, stop) => { this.#stop(orgId, stop); },
            expectTimer: (dueMs) => { this.#upkeep.expectTimer(dueMs); },
            cascade: (orgId, planId) => { this.#batcher.push({ kind: "cascade", orgId, planId, deferrals: 0 }); },
            poke: () => { this.#batcher.poke(); },
          });
        } catch (error) {
          // The commit stands; whatever was not sent is found by grace timers and the refill scan.
          log("aftermath.failed", { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
        }
      },
      log,
    });
    this.#upkeep = new DispatchUpkeep({
      store, session, clock: options.clock, log, windows: this.#windows, takers: this.#takers, leases: this.#leases, batcher: this.#batcher, connections: this.#connections,
      loseConnection: (connection, why) => { this.#lose(connection, why); },
      stopLease: (entry, reason) => { this.#tellStop(entry.executorId, entry.lease, reason, false); },
    });
  }

  async start(): Promise<void> {
    await this.#upkeep.start();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    for (const connection of this.#connections.values()) connection.end(refusal("DRAINING", "The server is going down.", { retryAfterMs: 200 }), true);
    await this.#batcher.drain();
    await this.#upkeep.stop();
  }

  // Calls ------------------------------------------------------------------------------------------------------

  async next(call: NextCall, signal: AbortSignal): Promise<Decision<readonly Assignment[]>> {
    if (this.#draining) return refused("DRAINING", "The server is going down.", { retryAfterMs: 200 });
    if (this.#batcher.storeIsAway) return refused("UNAVAILABLE", "The store is away.", { retryAfterMs: 1_000 });
    const executor = await this.#executor(call.principal.orgId, call.executorId);
    if (executor === undefined) return refused("EXECUTOR_UNFIT", "The executor is not registered.", { metadata: { executor_id: call.executorId } });
    if (executor.state === "DRAINING") return refused("EXECUTOR_UNFIT", "The executor is draining.", { metadata: { executor_id: call.executorId } });
    await this.#upkeep.demandsOf(executor.orgId);
    if (call.idempotency === null) return decided(await this.#pull(executor, call, null, signal));
    const key = callOf(call.principal, call.idempotency, "dispatch.next");
    return await this.#keys.with(key, async (earlier) => {
      if (earlier.kind === "conflict") return KEY_CONFLICT(key.key);
      if (earlier.kind === "answered") return decided(await this.#recall(executor, call, earlier.answer));
      return decided(await this.#pull(executor, call, key, signal));
    });
  }

  async #pull(executor: Executor, call: NextCall, key: IdempotentCall | null, signal: AbortSignal): Promise<readonly Assignment[]> {
    const pull = new PullCall(executor, call, () => { this.#takers.remove(pull.taker); });
    if (key !== null) pull.taker.keyFor = (leases) => ({ call: key, answer: Buffer.from(JSON.stringify(leases)), lifetimeMs: KEY_LIFETIME_MS, exclusive: true });
    this.#takers.add(pull.taker);
    this.#upkeep.refillSoon(pull.taker);
    this.#batcher.poke();
    return await pull.wait(signal);
  }

  /** A repeat is answered with those of its leases that still stand. */
  async #recall(executor: Executor, call: NextCall, answer: Uint8Array): Promise<readonly Assignment[]> {
    const leases = JSON.parse(Buffer.from(answer).toString()) as readonly LeaseRef[];
    const pull = new PullCall(executor, { ...call, waitMs: 0 }, () => undefined);
    for (const lease of leases) {
      pull.taker.reserve();
      this.#batcher.push({ kind: "claim", orgId: executor.orgId, planId: lease.planId, deferrals: 0, ordinal: lease.ordinal, taker: pull.taker, handover: false, recall: lease.fencing });
    }
    const assignments = pull.wait(new AbortController().signal);
    pull.close();
    return await assignments;
  }

  async report(principal: Principal, executorId: ExecutorId, outcomes: readonly Outcome[], idempotency: CallKey | null, signal: AbortSignal): Promise<Decision<readonly Decision<Receipt>[]>> {
    if (this.#batcher.storeIsAway) return refused("UNAVAILABLE", "The store is away.", { retryAfterMs: 1_000 });
    if (idempotency === null) return decided(await this.#reportAll(principal, executorId, outcomes, undefined, signal));
    const call = callOf(principal, idempotency, "outcome.report");
    // An outcome's own identity answers a repeat; the key only tells another body.
    return await this.#keys.with(call, async (earlier) =>
      earlier.kind === "conflict"
        ? KEY_CONFLICT(call.key)
        : decided(await this.#reportAll(principal, executorId, outcomes, earlier.kind === "new" ? { call, answer: new Uint8Array(0), lifetimeMs: KEY_LIFETIME_MS, exclusive: false } : undefined, signal)),
    );
  }

  async #reportAll(principal: Principal, executorId: ExecutorId, outcomes: readonly Outcome[], key: BatchKey | undefined, signal: AbortSignal): Promise<readonly Decision<Receipt>[]> {
    return await Promise.all(
      outcomes.map(
        async (outcome) =>
          await new Promise<Decision<Receipt>>((resolve) => {
            const givenUp = (): void => { resolve(refused("UNAVAILABLE", "The call ended before its outcome was durable; report it again.", { retryAfterMs: 500 })); };
            signal.addEventListener("abort", givenUp, { once: true });
            this.#pushOutcome(principal.orgId, principal.name, executorId, outcome, key, (result) => {
              signal.removeEventListener("abort", givenUp);
              resolve(result);
            });
          }),
      ),
    );
  }

  async renew(principal: Principal, executorId: ExecutorId, renewals: readonly RenewalReport[], leaseMs: number): Promise<Decision<Renewed>> {
    if (this.#batcher.storeIsAway) return refused("UNAVAILABLE", "The store is away.", { retryAfterMs: 1_000 });
    const states = await Promise.all(renewals.map(async (renewal) => {
      const state = await new Promise<RenewState>((done) => {
        const checkpoint = renewal.checkpoint === null ? null : payloadText(renewal.checkpoint);
        this.#batcher.push({ kind: "renew", orgId: principal.orgId, planId: renewal.lease.planId, deferrals: 0, lease: renewal.lease, executorId, leaseMs, checkpoint, done });
      });
      const entry = this.#leases.get(renewal.lease.planId, renewal.lease.ordinal, renewal.lease.fencing);
      if (entry !== undefined && state !== "lost") entry.leaseUntilMs = this.#o.clock.nowMs() + leaseMs;
      if (state !== "lost") this.#progress(principal.orgId, executorId, renewal);
      return { state, lease: renewal.lease };
    }));
    const of = (wanted: RenewState): readonly LeaseRef[] => states.filter((s) => s.state === wanted).map((s) => s.lease);
    return decided({ renewed: of("renewed"), lost: of("lost"), stopping: of("stopping") });
  }

  // Streams ----------------------------------------------------------------------------------------------------

  async attach(hello: Hello, sink: StreamSink, _options: { readonly acceptsOutcomes: boolean }): Promise<Decision<Attachment>> {
    if (this.#draining) return refused("DRAINING", "The server is going down.", { retryAfterMs: 200 });
    const { orgId } = hello.principal;
    const { session, ids, store } = this.#o;
    const executor = await store.transaction([orgId], async (tx) => await tx.executors.register(orgId, ids.uuid() as ExecutorId, hello.spec, session.id, await tx.nowMs()));
    await this.#upkeep.demandsOf(orgId);
    const before = this.#connections.get(executor.executorId);
    const connection = new ExecutorConnection(executor, sink, {
      incarnation: hello.incarnation, keyId: hello.principal.keyId, nowMs: this.#o.clock.monotonicMs(),
      inFlight: () => this.#leases.count(executor.executorId),
      onSlow: (slow) => { this.#lose(slow, "slow"); slow.end(SLOW, true); },
    });
    if (before !== undefined) {
      this.#takers.remove(before.taker);
      before.end(refusal("EXECUTOR_UNFIT", "Another process attached under this name.", { metadata: { executor_id: executor.executorId } }), false);
    }
    this.#connections.set(executor.executorId, connection);
    // Outcomes first: what is done must not be called lost.
    for (const outcome of hello.unsent) this.#reportFromStream(connection, hello.principal, outcome);
    const { resumed, lost } = await this.#resume(connection, hello);
    if (connection.sink !== null) this.#takers.add(connection.taker);
    this.#upkeep.refillSoon(connection.taker);
    this.#batcher.poke();
    return decided(this.#attachment(connection, hello.principal, resumed, lost));
  }

  #attachment(connection: ExecutorConnection, principal: Principal, resumed: readonly LeaseRef[], lost: readonly LeaseRef[]): Attachment {
    return {
      executor: connection.executor,
      resumed,
      lost,
      outcomes: async (outcomes) => {
        for (const outcome of outcomes) this.#reportFromStream(connection, principal, outcome);
        await this.#upkeep.room();
      },
      renewals: (renewals) => { for (const renewal of renewals) this.#progress(principal.orgId, connection.executor.executorId, renewal); },
      slots: (slots) => {
        connection.slots = slots;
        this.#batcher.poke();
      },
      drain: () => { connection.draining = true; },
      heard: () => { connection.heardMs = this.#o.clock.monotonicMs(); },
      closed: () => { this.#lose(connection, "closed"); },
    };
  }

  /** Held leases carry on; leases that are not listed return at once: their executor does not know of them. */
  async #resume(connection: ExecutorConnection, hello: Hello): Promise<{ readonly resumed: readonly LeaseRef[]; readonly lost: readonly LeaseRef[] }> {
    const { executorId, orgId } = connection.executor;
    const listed = new Set(hello.held.map((l) => `${l.planId}/${String(l.ordinal)}/${String(l.fencing)}`));
    for (const outcome of hello.unsent) listed.add(`${outcome.lease.planId}/${String(outcome.lease.ordinal)}/${String(outcome.lease.fencing)}`);
    for (const entry of this.#leases.ofExecutor(executorId)) {
      if (entry.leaseUntilMs === null && !listed.has(`${entry.lease.planId}/${String(entry.lease.ordinal)}/${String(entry.lease.fencing)}`)) {
        this.#upkeep.loseLease(entry, "the executor attached again without it");
      }
    }
    const states = await Promise.all(hello.held.map(async (lease) => {
      const row = await new Promise<StepRow | null>((done) => {
        this.#batcher.push({ kind: "rehome", orgId, planId: lease.planId, deferrals: 0, lease, executorId, done });
      });
      return { lease, row };
    }));
    for (const { row } of states) if (row?.state === "STOPPING") this.#tellStop(executorId, { planId: row.planId, step: row.key, ordinal: row.ordinal, fencing: row.fencing }, "told to stop while it was away", true);
    return { resumed: states.filter((s) => s.row !== null).map((s) => s.lease), lost: states.filter((s) => s.row === null).map((s) => s.lease) };
  }

  #reportFromStream(connection: ExecutorConnection, principal: Principal, outcome: Outcome): void {
    this.#pushOutcome(principal.orgId, principal.name, connection.executor.executorId, outcome, undefined, (result) => {
      const { sink } = connection;
      if (sink === null) return;
      connection.pendingAcks.push({ lease: outcome.lease, result });
      // All acknowledgements of a commit leave in one message.
      if (connection.pendingAcks.length === 1) queueMicrotask(() => {
        const acks = connection.pendingAcks.splice(0);
        if (connection.sink !== null && !connection.sink.sendAcks(acks)) {
          this.#lose(connection, "slow");
          connection.end(SLOW, true);
        }
      });
    });
  }

  #pushOutcome(orgId: OrgId, actor: string, executorId: ExecutorId, outcome: Outcome, key: BatchKey | undefined, done: (result: Decision<Receipt>) => void): void {
    const { planId, step, fencing } = outcome.lease;
    const logTail = outcome.logTail === "" ? this.#logs.tail(planId, step, fencing) : outcome.logTail;
    this.#batcher.push({ kind: "outcome", orgId, planId, deferrals: 0, outcome: logTail === outcome.logTail ? outcome : { ...outcome, logTail }, executorId, actor, key, done });
  }

  #progress(orgId: OrgId, executorId: ExecutorId, renewal: RenewalReport): void {
    const { planId, ordinal, fencing, step } = renewal.lease;
    const entry = this.#leases.get(planId, ordinal, fencing);
    if (entry === undefined || entry.orgId !== orgId || entry.executorId !== executorId || entry.lease.step !== step) return;
    if (renewal.lines.length > 0) this.#logs.append(planId, step, fencing, renewal.lines);
    if (this.#listeners.has(planId)) {
      this.#listeners.passing(orgId, {
        planId, atMs: this.#o.clock.nowMs(), kind: renewal.lines.length > 0 ? "step.log" : "step.progress", step, attempt: entry.attempt, executorId, fencing,
        message: renewal.message, progress: renewal.progress, lines: renewal.lines,
      });
    }
    if (renewal.checkpoint !== null && entry.leaseUntilMs === null) {
      entry.pendingCheckpoint = payloadText(renewal.checkpoint);
      const nowMs = this.#o.clock.monotonicMs();
      if (nowMs - entry.checkpointMs >= CHECKPOINT_EVERY_MS || entry.checkpointMs === 0) this.#upkeep.writeCheckpoint(entry);
    }
  }

  #lose(connection: ExecutorConnection, why: string): void {
    if (connection.brokenMs !== null) return;
    connection.brokenMs = this.#o.clock.monotonicMs();
    connection.sink = null;
    this.#takers.remove(connection.taker);
    const { executorId, orgId } = connection.executor;
    if (this.#connections.get(executorId) !== connection) return;
    if (this.#leases.size > 0 && this.#leases.count(executorId) > 0) this.#o.log("executor.away", { executor: executorId, why, leases: this.#leases.count(executorId) });
    setTimeout(() => { this.#upkeep.graceOver(connection, orgId); }, this.#draining ? 0 : GRACE_MS).unref();
  }

  // News -------------------------------------------------------------------------------------------------------

  committed(news: Parameters<Dispatcher["committed"]>[0]): void {
    for (const { orgId, planId } of news.wake ?? []) {
      if (this.#listeners.has(planId)) this.#listeners.moved(orgId, { planId, recordSeq: null, state: null });
    }
    const unknown = this.#windows.offer(news.ready ?? []);
    if (unknown.size > 0) this.#upkeep.learnDemands(unknown);
    const [first] = news.wake ?? [];
    for (const stop of news.stops ?? []) if (first !== undefined) this.#stop(first.orgId, stop);
    this.#upkeep.lookSoon();
    this.#batcher.poke();
  }

  #stop(orgId: OrgId, stop: StopOrderDraft): void {
    void orgId;
    const entry = this.#leases.get(stop.lease.planId, stop.lease.ordinal, stop.lease.fencing);
    if (entry !== undefined) entry.stopBeforeMs = this.#o.clock.nowMs() + this.#upkeep.stopGraceMs;
    this.#tellStop(stop.executorId, stop.lease, stop.reason, true);
  }

  #tellStop(executorId: ExecutorId, lease: LeaseRef, reason: string, outcomeWanted: boolean): void {
    const connection = this.#connections.get(executorId);
    if (connection?.sink === undefined || connection.sink === null) return;
    if (!connection.sink.sendStops([{ lease, reason, outcomeWanted }])) {
      this.#lose(connection, "slow");
      connection.end(SLOW, true);
    }
  }

  executorChanged(orgId: OrgId, executorId: ExecutorId): void {
    void this.#executor(orgId, executorId).then(
      (executor) => {
        const connection = this.#connections.get(executorId);
        if (executor === undefined || connection?.executor.orgId !== orgId) return;
        connection.taker.changed(executor);
        this.#batcher.poke();
      },
      () => undefined,
    );
  }

  keyEnded(keyId: string): void {
    for (const connection of this.#connections.values()) {
      if (connection.keyId !== keyId) continue;
      const { sink } = connection;
      this.#lose(connection, "key ended");
      sink?.end(refusal("UNAUTHENTICATED", "The API key was revoked or has expired."), false);
    }
  }

  listen(...[orgId, planId, listener]: Parameters<Dispatcher["listen"]>): () => void {
    return this.#listeners.add(orgId, planId, listener);
  }

  logs(...[planId, step]: Parameters<Dispatcher["logs"]>): ReturnType<Dispatcher["logs"]> {
    return this.#logs.of(planId, step);
  }

  connectedExecutors(orgId: OrgId): ReturnType<Dispatcher["connectedExecutors"]> {
    return [...this.#connections.values()].filter((c) => c.executor.orgId === orgId && c.sink !== null).map((c) => ({ executor: c.executor, freeSlots: c.taker.credit }));
  }

  async #executor(orgId: OrgId, executorId: ExecutorId): Promise<Executor | undefined> {
    return await this.#o.store.transaction([orgId], async (tx) => await tx.executors.find(orgId, executorId), { readOnly: true });
  }
}

function callOf(principal: Principal, idempotency: CallKey, operation: string): IdempotentCall {
  return { orgId: principal.orgId, principal: principal.name, key: idempotency.key, operation, bodyDigest: idempotency.bodyDigest };
}

const KEY_CONFLICT = (key: string): Decision<never> => refused("IDEMPOTENCY_CONFLICT", `The idempotency key ${key} was used with another request.`, { metadata: { key } });
