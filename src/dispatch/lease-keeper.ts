// What this server asks of batches for the leases in its table: their end, their checkpoints, their way into a new session. An
// answer that nobody could give is asked for again. Not here: when a lease is to end, see upkeep.ts.
import type { Failure } from "../domain/outcome.ts";
import type { Clock } from "../support/clock.ts";
import type { Batcher } from "./batcher.ts";
import type { LeaseEntry, LeaseTable } from "./leases.ts";

export interface LeaseKeeperOptions {
  readonly leases: LeaseTable;
  readonly batcher: Pick<Batcher, "push">;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** Tells the executor of a lease that is over. */
  readonly stopLease: (entry: LeaseEntry, reason: string) => void;
}

export class LeaseKeeper {
  readonly #o: LeaseKeeperOptions;
  /** Leases of a session of ours that lapsed: they are asked for until it is known what they are. */
  readonly #astray = new Set<LeaseEntry>();

  constructor(options: LeaseKeeperOptions) {
    this.#o = options;
  }

  /** Ends a lease; when that cannot be done now, its entry says why it is to end, and the watch tries again. */
  lose(entry: LeaseEntry, failure: Failure): void {
    if (entry.ending) return;
    const { planId, ordinal, fencing } = entry.lease;
    entry.ending = true;
    entry.overdue = null;
    this.#o.batcher.push({
      kind: "loss",
      orgId: entry.orgId,
      planId,
      deferrals: 0,
      ordinal,
      fencing,
      failure,
      under: entry.sessionId,
      refused: (no) => {
        if (no.reason === "NOT_FOUND") this.#o.leases.remove(planId, ordinal, fencing);
        entry.ending = false;
        entry.overdue = failure;
      },
    });
  }

  /** One at a time: while the store is away the newest one waits here, not all of them in the queue. */
  writeCheckpoint(entry: LeaseEntry): void {
    const { pendingCheckpoint } = entry;
    if (pendingCheckpoint === null || entry.writing) return;
    entry.pendingCheckpoint = null;
    entry.writing = true;
    entry.checkpointMs = this.#o.clock.monotonicMs();
    this.#renew(entry, pendingCheckpoint, (isKnown) => {
      entry.writing = false;
      if (!isKnown) entry.pendingCheckpoint ??= pendingCheckpoint;
    });
  }

  /** The session lapsed and another one was opened: its leases are ours still, unless somebody swept them. */
  sessionIsNew(): void {
    for (const entry of this.#o.leases.all()) this.#astray.add(entry);
  }

  /** Asks for the leases that are not known to be in the present session. */
  bringHome(): void {
    const astray = [...this.#astray];
    this.#astray.clear();
    for (const entry of astray) {
      const { planId, ordinal, fencing } = entry.lease;
      if (this.#o.leases.get(planId, ordinal, fencing) !== entry) continue;
      this.#renew(entry, null, (isKnown, isLost) => {
        if (!isKnown) this.#astray.add(entry);
        if (!isLost) return;
        this.#o.leases.remove(planId, ordinal, fencing);
        this.#o.stopLease(entry, "the lease was lost while the server could not reach its store");
      });
    }
  }

  #renew(entry: LeaseEntry, checkpoint: string | null, done: (isKnown: boolean, isLost: boolean) => void): void {
    const { orgId, lease, executorId } = entry;
    this.#o.batcher.push({
      kind: "renew",
      orgId,
      planId: lease.planId,
      deferrals: 0,
      lease,
      executorId,
      leaseMs: null,
      checkpoint,
      under: entry.sessionId,
      done: (state) => {
        done(state !== "unknown", state === "lost");
      },
    });
  }
}
