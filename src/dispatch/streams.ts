// Attached executors: hello, resumption, acknowledgements, stops, breaks. Not here: calls without a stream, see calls.ts.
import type { ExecutorId, OrgId } from "../domain/id.ts";
import type { Assignment, LeaseRef, Outcome } from "../domain/outcome.ts";
import { decided, refusal, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { StepRow } from "../domain/step.ts";
import { ExecutorConnection, GRACE_MS, SLOW } from "./connection.ts";
import type { Attachment, Hello, Reporter, StreamSink } from "./dispatcher.ts";
import { pushOutcome, takeProgress } from "./parts.ts";
import type { Parts } from "./parts.ts";

/** How long after an executor has attached the next one is taken to be on its way. */
const ARRIVAL_MS = 1_000;

export class Streams {
  readonly connections: Map<ExecutorId, ExecutorConnection>;
  readonly #parts: Parts;
  #arriving = 0;
  #arrivedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: Parts, connections: Map<ExecutorId, ExecutorConnection>) {
    this.#parts = parts;
    this.connections = connections;
  }

  /** Says goodbye to all; their leases stand, and they attach again elsewhere. */
  endAll(): void {
    for (const connection of this.connections.values())
      connection.end(refusal("DRAINING", "The server is going down.", { retryAfterMs: 200 }), true);
  }

  /** Executors are attaching, or did a moment ago: more may wait in the sockets. */
  get isArriving(): boolean {
    return this.#arriving > 0 || this.#parts.options.clock.monotonicMs() - this.#arrivedMs < ARRIVAL_MS;
  }

  async attach(hello: Hello, sink: StreamSink): Promise<Decision<Attachment>> {
    this.#arriving += 1;
    try {
      return await this.#attach(hello, sink);
    } finally {
      this.#arriving -= 1;
      this.#arrivedMs = this.#parts.options.clock.monotonicMs();
    }
  }

  async #attach(hello: Hello, sink: StreamSink): Promise<Decision<Attachment>> {
    if (this.#parts.draining) return refused("DRAINING", "The server is going down.", { retryAfterMs: 200 });
    const { orgId } = hello.principal;
    const { session, ids, store } = this.#parts.options;
    const executor = await store.transaction(
      [orgId],
      async (tx) =>
        await tx.executors.register(orgId, ids.uuid() as ExecutorId, hello.spec, session.id, await tx.nowMs()),
    );
    await this.#parts.feed.demandsOf(orgId);
    const before = this.connections.get(executor.executorId);
    const connection = new ExecutorConnection(executor, sink, {
      incarnation: hello.incarnation,
      keyId: hello.principal.keyId,
      nowMs: this.#parts.options.clock.monotonicMs(),
      inFlight: () => this.#parts.leases.count(executor.executorId),
      onSlow: (slow) => {
        this.loseSlow(slow);
      },
      onBug: (error) => {
        this.#parts.options.log("sink.failed", { executor: executor.executorId, error: String(error) });
      },
      onUndelivered: (broken, assignments) => {
        this.#undelivered(broken, assignments);
      },
    });
    if (before !== undefined) {
      this.#parts.takers.remove(before.taker);
      before.end(
        refusal("EXECUTOR_UNFIT", "Another process attached under this name.", {
          metadata: { executor_id: executor.executorId },
        }),
        false,
      );
    }
    this.connections.set(executor.executorId, connection);
    // Outcomes first: what is done must not be called lost.
    for (const outcome of hello.unsent) this.#reportFromStream(connection, hello, outcome);
    const { resumed, lost } = await this.#resume(connection, hello);
    if (connection.sink !== null) this.#parts.takers.add(connection.taker);
    this.#parts.feed.refillSoon(connection.taker);
    this.#parts.batcher.poke();
    return decided(this.#attachment(connection, hello, resumed, lost));
  }

  #attachment(
    connection: ExecutorConnection,
    by: Reporter,
    resumed: readonly LeaseRef[],
    lost: readonly LeaseRef[],
  ): Attachment {
    return {
      executor: connection.executor,
      resumed,
      lost,
      outcomes: async (outcomes) => {
        for (const outcome of outcomes) this.#reportFromStream(connection, by, outcome);
        await this.#parts.upkeep.room();
      },
      renewals: (renewals) => {
        for (const renewal of renewals)
          takeProgress(this.#parts, by.principal.orgId, connection.executor.executorId, renewal);
      },
      slots: (slots) => {
        connection.slots = slots;
        this.#parts.batcher.poke();
      },
      drain: () => {
        connection.draining = true;
        this.#sayGoodbye(connection);
      },
      heard: () => {
        connection.heardMs = this.#parts.options.clock.monotonicMs();
      },
      closed: () => {
        this.lose(connection, "closed");
      },
    };
  }

  /** A draining executor that has nothing left may go: its last outcomes are acknowledged. */
  #sayGoodbye(connection: ExecutorConnection): void {
    if (!connection.draining || connection.sink === null || connection.pendingAcks.length > 0) return;
    if (this.#parts.leases.count(connection.executor.executorId) + connection.taker.reserved > 0) return;
    const { sink } = connection;
    this.lose(connection, "drained");
    sink.end(null, false);
  }

  /** Held leases carry on; leases that are not listed return at once: their executor does not know of them. */
  async #resume(
    connection: ExecutorConnection,
    hello: Hello,
  ): Promise<{ readonly resumed: readonly LeaseRef[]; readonly lost: readonly LeaseRef[] }> {
    const { executorId, orgId } = connection.executor;
    const listed = new Set(hello.held.map((l) => `${l.planId}/${String(l.ordinal)}/${String(l.fencing)}`));
    for (const outcome of hello.unsent)
      listed.add(`${outcome.lease.planId}/${String(outcome.lease.ordinal)}/${String(outcome.lease.fencing)}`);
    for (const entry of this.#parts.leases.ofExecutor(executorId)) {
      if (
        entry.leaseUntilMs === null &&
        !listed.has(`${entry.lease.planId}/${String(entry.lease.ordinal)}/${String(entry.lease.fencing)}`)
      ) {
        this.#parts.upkeep.loseLease(entry, "the executor attached again without it");
      }
    }
    const states = await Promise.all(
      hello.held.map(async (lease) => {
        const row = await new Promise<StepRow | null | "unknown">((done) => {
          this.#parts.batcher.push({
            kind: "rehome",
            orgId,
            planId: lease.planId,
            deferrals: 0,
            lease,
            executorId,
            done,
          });
        });
        return { lease, row };
      }),
    );
    for (const { row, lease } of states) {
      if (row === null || row === "unknown") continue;
      // Its executor is back with it: what was said against it does not hold any longer.
      const entry = this.#parts.leases.get(lease.planId, lease.ordinal, lease.fencing);
      if (entry !== undefined) entry.overdue = null;
      if (row.state === "STOPPING")
        this.tellStop(
          executorId,
          { planId: row.planId, step: row.key, ordinal: row.ordinal, fencing: row.fencing },
          "told to stop while it was away",
          true,
        );
    }
    // Of whom nothing can be said now carries on: its outcome will tell.
    return {
      resumed: states.filter((s) => s.row !== null).map((s) => s.lease),
      lost: states.filter((s) => s.row === null).map((s) => s.lease),
    };
  }

  #reportFromStream(connection: ExecutorConnection, by: Reporter, outcome: Outcome): void {
    pushOutcome(this.#parts, by, connection.executor.executorId, outcome, undefined, (result) => {
      const { sink } = connection;
      if (sink === null) return;
      connection.pendingAcks.push({ lease: outcome.lease, result });
      // All acknowledgements of a commit leave in one message, with its assignments if there are any.
      if (connection.pendingAcks.length === 1)
        queueMicrotask(() => {
          if (!connection.send([])) this.loseSlow(connection);
          this.#sayGoodbye(connection);
        });
    });
  }

  /**
   * The stream broke between a batch's beginning and its commit. Within its grace the timer finds the leases; when the executor
   * has attached again meanwhile, its new stream gets them; when nobody is left to look for them, they are lost at once.
   */
  #undelivered(broken: ExecutorConnection, assignments: readonly Assignment[]): void {
    const present = this.connections.get(broken.executor.executorId);
    if (present === broken || (present !== undefined && present.sink === null)) return;
    if (present !== undefined) {
      present.taker.deliver(assignments);
      return;
    }
    for (const { lease } of assignments) {
      const entry = this.#parts.leases.get(lease.planId, lease.ordinal, lease.fencing);
      if (entry !== undefined) this.#parts.upkeep.loseLease(entry, "the executor went away");
    }
  }

  lose(connection: ExecutorConnection, why: string): void {
    if (connection.brokenMs !== null) return;
    connection.brokenMs = this.#parts.options.clock.monotonicMs();
    connection.sink = null;
    this.#parts.takers.remove(connection.taker);
    const { executorId, orgId } = connection.executor;
    if (this.connections.get(executorId) !== connection) return;
    if (this.#parts.leases.size > 0 && this.#parts.leases.count(executorId) > 0)
      this.#parts.options.log("executor.away", {
        executor: executorId,
        why,
        leases: this.#parts.leases.count(executorId),
      });
    // Who was sent away comes back with its leases, here or elsewhere; the sweep of our session finds the others.
    if (this.#parts.draining) return;
    this.#parts.timers.after(
      GRACE_MS,
      () => {
        this.#parts.upkeep.graceOver(connection, orgId);
      },
      { idle: true },
    );
  }

  /** Its reader does not keep up: it is told so, once it reads again, and attaches anew. */
  loseSlow(connection: ExecutorConnection): void {
    const { sink } = connection;
    this.lose(connection, "slow");
    sink?.end(SLOW, true);
  }

  tellStop(executorId: ExecutorId, lease: LeaseRef, reason: string, outcomeWanted: boolean): void {
    const connection = this.connections.get(executorId);
    if (connection?.sink === undefined || connection.sink === null) return;
    if (!connection.sink.sendStops([{ lease, reason, outcomeWanted }])) this.loseSlow(connection);
  }

  changed(orgId: OrgId, executorId: ExecutorId): void {
    this.#parts.executors.forget(executorId);
    this.#parts.executors.find(orgId, executorId).then(
      (executor) => {
        const connection = this.connections.get(executorId);
        if (executor === undefined || connection?.executor.orgId !== orgId) return;
        connection.taker.changed(executor);
        this.#parts.batcher.poke();
      },
      () => undefined,
    );
  }

  keyEnded(keyId: string): void {
    for (const connection of this.connections.values()) {
      if (connection.keyId !== keyId) continue;
      const { sink } = connection;
      this.lose(connection, "key ended");
      sink?.end(refusal("UNAUTHENTICATED", "The API key was revoked or has expired."), false);
    }
  }
}
