// The hot path: many plans changed in one transaction, two round trips in the usual case.
import type { OrgId, PlanId, PlanRef } from "../../domain/id.ts";
import type { Needs, PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import type { IdempotentCall } from "./idempotency.ts";
import type { Payload } from "../../domain/payload.ts";

/** What a batch wants of a plan: rows that are loaded with the lock. */
export interface BatchPlan {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  /** Steps to load. */
  readonly ordinals: readonly number[];
  /** Steps whose children are loaded as well, edges and rows. */
  readonly childrenOf: readonly number[];
}

export interface Leased {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly ordinal: number;
  readonly undoing: boolean;
  /** Earlier attempts may have left a checkpoint. */
  readonly again: boolean;
}

/** What a plan's decision came to. */
export type PlanVerdict =
  | { readonly kind: "needs"; readonly needs: Needs }
  /** Nothing to write. */
  | { readonly kind: "nothing" }
  | {
      readonly kind: "changes";
      readonly changes: PlanChanges;
      /** Steps whose inputs and checkpoints the answer must hold. */ readonly leased: readonly Leased[];
    };

export interface BatchInput {
  readonly input: Payload | null;
  readonly checkpoint: Payload | null;
}

export interface BatchResult {
  /** Plans that another transaction holds (SKIP LOCKED): nothing was decided for them. */
  readonly skipped: readonly PlanRef[];
  /** Plans that do not exist in the org given. */
  readonly missing: readonly PlanRef[];
  /** Inputs of leased steps, by `planId/ordinal`. */
  readonly inputs: ReadonlyMap<string, BatchInput>;
  readonly nowMs: number;
}

/** An idempotency key that is kept in the batch's transaction. */
export interface BatchKey {
  readonly call: IdempotentCall;
  readonly answer: Uint8Array;
  readonly lifetimeMs: number;
  /** True: a key that is there already rejects the batch. False: it stays as it is. */
  readonly exclusive: boolean;
}

export interface BatchStore {
  /**
   * Locks the plans (sorted, SKIP LOCKED unless `wait`), loads their slices, calls `decide` once per plan that was locked
   * (again, with a completed slice, while it answers `needs`), writes all changes and commits.
   * `keys` is asked after the last decision.
   * `decide` must be pure: when the transaction is retried it is called anew. Throws what the store throws;
   * a constraint violation or a bad value throws BatchRejectedError, upon which the caller bisects (an exclusive key that is taken:
   * BatchKeyTakenError); a deadlock or a lock
   * that did not come in time throws BatchContendedError.
   */
  run(
    plans: readonly BatchPlan[],
    decide: (slice: PlanSlice, nowMs: number) => PlanVerdict,
    options: { readonly wait: boolean; readonly keys?: () => readonly BatchKey[]; readonly signal?: AbortSignal },
  ): Promise<BatchResult>;
}

/** Another transaction was in the way for too long; the same batch may well succeed later. */
export class BatchContendedError extends Error {}

/** The database refused what a batch wrote: a bug, or poison in one item. */
export class BatchRejectedError extends Error {}

/** An exclusive key of the batch was taken meanwhile, by a call that another server carried out: nothing was written. */
export class BatchKeyTakenError extends BatchRejectedError {}

export function batchKey(planId: PlanId, ordinal: number): string {
  return `${planId}/${String(ordinal)}`;
}
