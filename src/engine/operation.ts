// What an operation is to the engine: a verb that loads, decides and saves in one transaction. Not here: the verbs, see operations/.
import type { IdMaker, PlanRef, ReadyStep, RecordId, SessionId } from "../domain/id.ts";
import type { StopOrderDraft } from "../domain/plan/draft.ts";
import type { Handover, LeasedAtOnce } from "../domain/plan/handover.ts";
import type { Principal } from "../domain/principal.ts";
import type { RecordDraft, StageNotes } from "../domain/record.ts";
import type { Decision } from "../domain/refusal.ts";
import type { Random } from "../support/random.ts";
import type { Tx } from "../store/ports/store.ts";

/** A row of the operation table; transport builds them from the descriptors' options. */
export interface MethodSpec {
  /** Full name, such as `maestro.v1.MaestroService/Plan`. */
  readonly method: string;
  readonly parts: readonly OperationSpec[];
}
export interface OperationSpec {
  /** Such as `goal.refine`. */
  readonly operation: string;
  readonly capability: string;
  readonly writes: boolean;
}

/** Said before a computation that takes long. */
export interface LargeWork {
  /** Throws what ends the transaction when too much is under way already: the engine then begins the call anew, in its turn. */
  begin(): void;
}

export interface OperationContext {
  readonly principal: Principal;
  /** This server's session: the journal stream that records without a plan go to. */
  readonly sessionId: SessionId;
  readonly storeEpoch: number;
  readonly ids: IdMaker;
  readonly random: Random;
  /** W3C traceparent of the call; empty for none. */
  readonly traceparent: string;
  readonly signal: AbortSignal;
  /** What the stages before had to say, for records that an operation writes itself. */
  readonly stages: StageNotes | null;
  readonly handover: Handover;
  readonly largeWork: LargeWork;
}

/** What dispatch must hear after a commit. */
export interface News {
  /** Plans that changed. */
  readonly wake?: readonly PlanRef[];
  /** Steps that became ready: they go into the windows at once. Left out: the store is asked. */
  readonly ready?: readonly ReadyStep[];
  /** Steps that were leased by reservations of this call. */
  readonly leased?: readonly LeasedAtOnce[];
  /** Attempts that must be told to stop. */
  readonly stops?: readonly StopOrderDraft[];
  /** Whether timers or a cascade were left in the store. Left out: the store is asked. */
  readonly goesOn?: boolean;
}

/** An operation that was carried out. */
export interface Done<T> extends News {
  readonly value: T;
  /** The record that the operation itself wrote (plan stream); null when the engine is to write `journal`, or when nothing was changed. */
  readonly recordId: RecordId | null;
  /** Record for the org's journal. */
  readonly journal?: RecordDraft;
  /** What follows the commit in memory: feeding windows, telling watchers. Must not throw. */
  readonly afterCommit?: () => void;
}

/** A read whose answer is worked out after its transaction, so that nothing is held meanwhile. */
export interface Later<T> {
  readonly later: () => Promise<Decision<T>>;
}

/**
 * A verb. It must be repeatable (the transaction may be tried again) and must decide before its first write:
 * a returned refusal lets the engine record it in the same transaction.
 */
export type Operation<Req, Res> = (
  tx: Tx,
  request: Req,
  context: OperationContext,
) => Promise<Decision<Done<Res> | Later<Res>>>;

/** One of the calls that go through a verb together. */
export interface GroupedCall<Req> {
  readonly request: Req;
  readonly context: OperationContext;
}

/**
 * A verb that calls of one org go through together, in one transaction: it loads for all, decides each by itself, and writes all at
 * once. Its decisions are in the order of the calls. What it throws is no single call's fault: they are done again one by one.
 */
export type GroupOperation<Req, Res> = (
  tx: Tx,
  calls: readonly GroupedCall<Req>[],
) => Promise<readonly Decision<Done<Res>>[]>;

/** The verb for one call. */
export function alone<Req, Res>(operation: GroupOperation<Req, Res>): Operation<Req, Res> {
  return async (tx, request, context) => {
    const [decision] = await operation(tx, [{ request, context }]);
    if (decision === undefined) throw new Error("a call was left undecided");
    return decision;
  };
}
