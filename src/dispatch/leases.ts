// The lease table: leases that this server's session holds, with who is to be told and when their time is up. Memory only;
// the rows are the truth. Not here: ending a lease, which is an item for a batch.
import type { ExecutorId, OrgId, PlanId, SessionId } from "../domain/id.ts";
import type { Failure, LeaseRef } from "../domain/outcome.ts";
import type { StepRow } from "../domain/step.ts";

export interface LeaseEntry {
  readonly orgId: OrgId;
  readonly lease: LeaseRef;
  readonly executorId: ExecutorId;
  readonly attempt: number;
  /** The session that it began or arrived here under. */
  sessionId: SessionId | null;
  /** When its attempt's time is up, and when it lapses without a renewal (null: a stream keeps it). Epoch milliseconds. */
  readonly deadlineMs: number;
  leaseUntilMs: number | null;
  /** It was told to stop; after this moment its end is not waited for any longer. */
  stopBeforeMs: number | null;
  /** An item that ends it is under way. */
  ending: boolean;
  /** Why it is to end, after an item that should have ended it could not be carried out; it is tried again. */
  overdue: Failure | null;
  /** When its checkpoint was last written. */
  checkpointMs: number;
  /** Checkpoint that waits for its turn. */
  pendingCheckpoint: string | null;
  /** An item that writes its checkpoint is under way. */
  writing: boolean;
}

export class LeaseTable {
  readonly #entries = new Map<string, LeaseEntry>();
  readonly #byExecutor = new Map<ExecutorId, Set<string>>();

  add(orgId: OrgId, row: StepRow): LeaseEntry | undefined {
    if (row.executorId === null) return undefined;
    const lease: LeaseRef = { planId: row.planId, step: row.key, ordinal: row.ordinal, fencing: row.fencing };
    const key = leaseKey(row.planId, row.ordinal, row.fencing);
    const there = this.#entries.get(key);
    if (there !== undefined) {
      // It may have been renewed elsewhere, and come back: what was known of its end is old.
      there.sessionId = row.sessionId;
      if (row.leaseUntilMs !== null) {
        there.leaseUntilMs = Math.max(there.leaseUntilMs ?? 0, row.leaseUntilMs);
        there.ending = false;
      }
      return there;
    }
    const entry: LeaseEntry = {
      orgId,
      lease,
      executorId: row.executorId,
      attempt: row.attempt,
      sessionId: row.sessionId,
      deadlineMs: row.deadlineMs ?? Number.POSITIVE_INFINITY,
      leaseUntilMs: row.leaseUntilMs,
      stopBeforeMs: null,
      ending: false,
      overdue: null,
      checkpointMs: 0,
      pendingCheckpoint: null,
      writing: false,
    };
    this.#entries.set(key, entry);
    const keys = this.#byExecutor.get(row.executorId) ?? new Set();
    keys.add(key);
    this.#byExecutor.set(row.executorId, keys);
    return entry;
  }

  get(planId: PlanId, ordinal: number, fencing: number): LeaseEntry | undefined {
    return this.#entries.get(leaseKey(planId, ordinal, fencing));
  }

  /** Forgets a lease that ended; says what it was. */
  remove(planId: PlanId, ordinal: number, fencing: number): LeaseEntry | undefined {
    const key = leaseKey(planId, ordinal, fencing);
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    const keys = this.#byExecutor.get(entry.executorId);
    keys?.delete(key);
    if (keys?.size === 0) this.#byExecutor.delete(entry.executorId);
    return entry;
  }

  ofExecutor(executorId: ExecutorId): readonly LeaseEntry[] {
    const keys = this.#byExecutor.get(executorId);
    if (keys === undefined) return [];
    return [...keys].flatMap((key) => this.#entries.get(key) ?? []);
  }

  count(executorId: ExecutorId): number {
    return this.#byExecutor.get(executorId)?.size ?? 0;
  }

  all(): IterableIterator<LeaseEntry> {
    return this.#entries.values();
  }

  get size(): number {
    return this.#entries.size;
  }
}

export function leaseKey(planId: PlanId, ordinal: number, fencing: number): string {
  return `${planId}/${String(ordinal)}/${String(fencing)}`;
}
