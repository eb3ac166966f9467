// Idempotency keys in the store: answers of writes, kept in the transaction of their effects.
import type { OrgId } from "../../domain/id.ts";

export interface IdempotentCall {
  readonly orgId: OrgId;
  readonly principal: string;
  readonly key: string;
  readonly operation: string;
  /** SHA-256 of the request without its idempotency key. */
  readonly bodyDigest: Uint8Array;
}

export type EarlierCall =
  | { readonly kind: "new" }
  /** Another body, or another operation. */
  | { readonly kind: "conflict" }
  | { readonly kind: "answered"; readonly answer: Uint8Array }
  /** JSON text of a final refusal. */
  | { readonly kind: "refused"; readonly refusal: string };

export interface IdempotencyRepository {
  /** Inserts the key, first of all in the transaction; while another transaction holds it, waits for that one's end. Expired keys count as new. */
  begin(call: IdempotentCall, nowMs: number, lifetimeMs: number): Promise<EarlierCall>;
  /** As `begin` for several keys, of which none is there twice: they are locked in an order that every transaction keeps. */
  beginAll(calls: readonly IdempotentCall[], nowMs: number, lifetimeMs: number): Promise<readonly EarlierCall[]>;
  /** What became of these calls, in order; inserts and locks nothing. For calls whose effects are in batches. */
  peek(calls: readonly IdempotentCall[], nowMs: number): Promise<readonly EarlierCall[]>;
  /** Keeps the answer, or the final refusal, of a call that `begin` called new. */
  finish(call: IdempotentCall, result: { readonly answer: Uint8Array } | { readonly refusal: string }): Promise<void>;
  /** As `finish`, for those that `beginAll` called new. */
  finishAll(results: readonly FinishedCall[]): Promise<void>;
}

export interface FinishedCall {
  readonly call: IdempotentCall;
  readonly answer: Uint8Array | null;
  /** JSON text of a final refusal. */
  readonly refusal: string | null;
}
