// What transports and operations see of dispatch. Not here: how it works, see README.md beside this file.
import type { Executor, ExecutorSpec } from "../domain/executor.ts";
import type { ExecutorId, OrgId, PlanId, PlanRef, ReadyStep } from "../domain/id.ts";
import type { Amounts } from "../domain/amounts.ts";
import type { Assignment, LeaseRef, Outcome, OutcomeResult, Receipt } from "../domain/outcome.ts";
import type { Payload } from "../domain/payload.ts";
import type { HandoverOfCall } from "../domain/plan/handover.ts";
import type { StopOrderDraft } from "../domain/plan/draft.ts";
import type { Principal } from "../domain/principal.ts";
import type { StageNotes } from "../domain/record.ts";
import type { Decision, Refusal } from "../domain/refusal.ts";
import type { PlanState } from "../domain/plan.ts";

/** A caller's idempotency key, with the digest of its request without the key. */
export interface CallKey {
  readonly key: string;
  readonly bodyDigest: Uint8Array;
}

export interface NextCall {
  readonly principal: Principal;
  readonly executorId: ExecutorId;
  readonly max: number;
  readonly waitMs: number;
  /** Empty for all that the executor can do. */
  readonly capabilities: readonly string[];
  /** Life of the leases without a renewal. */
  readonly leaseMs: number;
  /** Null for none. A repeat is answered with what its leases have become. */
  readonly idempotency: CallKey | null;
}

export interface LogLine {
  readonly atMs: number;
  readonly stream: string;
  readonly text: string;
}

export interface RenewalReport {
  readonly lease: LeaseRef;
  readonly progress: number;
  readonly message: string;
  readonly usage: Amounts | null;
  readonly checkpoint: Payload | null;
  readonly lines: readonly LogLine[];
}

export interface Renewed {
  readonly renewed: readonly LeaseRef[];
  readonly lost: readonly LeaseRef[];
  readonly stopping: readonly LeaseRef[];
}

/** Who reports outcomes: they were identified and authorised once, when the call or the stream began. */
export interface Reporter {
  readonly principal: Principal;
  readonly stages: StageNotes;
}

/** First words of an executor on a stream. */
export interface Hello extends Reporter {
  readonly spec: ExecutorSpec;
  readonly incarnation: string;
  readonly held: readonly LeaseRef[];
  readonly unsent: readonly Outcome[];
}

export interface StopOrder {
  readonly lease: LeaseRef;
  readonly reason: string;
  readonly outcomeWanted: boolean;
}

/** What became of an outcome. */
export interface Acknowledgement {
  readonly lease: LeaseRef;
  readonly result: Decision<Receipt>;
}

/** How the dispatcher talks to a stream. `send…` return false when the stream's buffer is over its bound: it is then ended as a slow reader. */
export interface StreamSink {
  /** Steps to perform, with acknowledgements that leave in the same message; either may be empty. */
  send(assignments: readonly Assignment[], acks: readonly Acknowledgement[]): boolean;
  sendStops(stops: readonly StopOrder[]): boolean;
  sendHeartbeat(): boolean;
  /** Last; the transport closes the stream after it. */
  end(refusal: Refusal | null, reconnect: boolean): void;
}

/** One attached executor, as the transport drives it. All calls are cheap and never throw; results go to the sink. */
export interface Attachment {
  readonly executor: Executor;
  readonly resumed: readonly LeaseRef[];
  readonly lost: readonly LeaseRef[];
  /** Results reach the sink after the commit. Resolves when they were handed to the batches (backpressure). */
  outcomes(outcomes: readonly Outcome[]): Promise<void>;
  renewals(renewals: readonly RenewalReport[]): void;
  slots(slots: number): void;
  drain(): void;
  /** Any sign of life, such as a received message. */
  heard(): void;
  /** The transport lost the stream, or the client ended it. */
  closed(): void;
}

/** Something that happened and is not in the records: sent to watchers once. */
export interface PassingEvent {
  readonly planId: PlanId;
  /** The plan's newest record when it happened: it is told after that one and before the next. Zero for none in particular. */
  readonly after: number;
  readonly atMs: number;
  readonly kind: "step.leased" | "step.progress" | "step.log";
  readonly step: string;
  readonly ordinal: number;
  readonly attempt: number;
  readonly executorId: ExecutorId;
  readonly fencing: number;
  readonly message: string;
  readonly progress: number;
  readonly lines: readonly LogLine[];
}

/** Lines of one attempt. */
export interface KeptLines {
  readonly fencing: number;
  readonly lines: readonly LogLine[];
  /** How many were dropped before them. */
  readonly dropped: number;
}

/** A plan got records up to a sequence. */
export interface PlanMoved {
  readonly planId: PlanId;
  /** Null when only the store knows. */
  readonly recordSeq: number | null;
  readonly state: PlanState | null;
}

export interface PlanListener {
  moved(event: PlanMoved): void;
  passing(event: PassingEvent): void;
}

/** A gate step that is leased to this server. */
export interface LeasedGate {
  readonly orgId: OrgId;
  readonly lease: LeaseRef;
  readonly attempt: number;
}

/** Says what comes of a gate. A throw is a bug, or a signal that fired. */
export interface Gatekeeper {
  perform(gate: LeasedGate, signal: AbortSignal): Promise<OutcomeResult>;
}

export interface Dispatcher {
  start(): Promise<void>;
  /** Whether the store takes nothing: it is gone, or its disk is full. */
  storeIsAway(): boolean;
  /** Polite end: no new leases, goodbye to streams, waits for batches under way. */
  drain(signal?: AbortSignal): Promise<void>;
  next(call: NextCall, signal: AbortSignal): Promise<Decision<readonly Assignment[]>>;
  report(
    by: Reporter,
    executorId: ExecutorId,
    outcomes: readonly Outcome[],
    idempotency: CallKey | null,
    signal: AbortSignal,
  ): Promise<Decision<readonly Decision<Receipt>[]>>;
  renew(
    principal: Principal,
    executorId: ExecutorId,
    renewals: readonly RenewalReport[],
    leaseMs: number,
    signal: AbortSignal,
  ): Promise<Decision<Renewed>>;
  attach(hello: Hello, sink: StreamSink): Promise<Decision<Attachment>>;
  /** Reservations for one call of an operation, see Handover. */
  handover(orgId: OrgId): HandoverOfCall;
  /** Something was committed outside of the batches: tell watchers, offer what became ready, stop what is to stop. */
  committed(news: {
    readonly wake?: readonly PlanRef[];
    readonly ready?: readonly ReadyStep[];
    readonly stops?: readonly StopOrderDraft[];
    /** False: nothing waits in the store for its time or its turn. */
    readonly goesOn?: boolean;
  }): void;
  /** Gate steps of these orgs may be ready, and nobody told of it. */
  attendGates(orgs: readonly OrgId[]): void;
  /** An executor's registration changed (drain, trust, spec). */
  executorChanged(orgId: OrgId, executorId: ExecutorId): void;
  /** A key was revoked or expired: its streams end. */
  keyEnded(keyId: string): void;
  /** Tells about one plan until the returned function is called. Events may be coalesced; `moved` only says up to where. */
  listen(orgId: OrgId, planId: PlanId, listener: PlanListener): () => void;
  /** Kept lines of the newest attempt of a row that had any. */
  logs(planId: PlanId, ordinal: number): KeptLines | undefined;
  /** For `why is this waiting`. */
  connectedExecutors(orgId: OrgId): readonly { readonly executor: Executor; readonly freeSlots: number }[];
}
