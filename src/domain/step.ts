// A step: its definition, its row, its states and which may follow which. Not here: what makes it move, see plan/.
import { NOTHING } from "./amounts.ts";
import type { Amounts } from "./amounts.ts";
import type { DemandId, ExecutorId, PlanId, SessionId } from "./id.ts";
import type { Payload } from "./payload.ts";

export type StepState =
  | "PENDING"
  | "WAITING"
  | "AWAITING_APPROVAL"
  | "READY"
  | "LEASED"
  | "STOPPING"
  | "BACKING_OFF"
  | "SUCCEEDED"
  | "FAILED"
  | "REFUSED"
  | "SKIPPED"
  | "CANCELLED"
  | "COMPENSATING"
  | "COMPENSATED"
  | "COMPENSATION_FAILED";

/**
 * Which state may follow which; anything else is refused, or a bug. LEASED and STOPPING also serve compensations (`undoing`).
 * What has not succeeded may come to be SUCCEEDED or FAILED at any moment by an operator's word, see plan/by-hand.ts. What ended
 * goes back to work on its row (READY, PENDING) only by a retry or what follows one; a rerun brings a new row, see plan/rerun.ts.
 */
export const STEP_TRANSITIONS: Readonly<Record<StepState, readonly StepState[]>> = {
  PENDING: ["READY", "LEASED", "WAITING", "AWAITING_APPROVAL", "SUCCEEDED", "SKIPPED", "CANCELLED", "FAILED"],
  WAITING: [
    "PENDING",
    "READY",
    "LEASED",
    "AWAITING_APPROVAL",
    "BACKING_OFF",
    "SUCCEEDED",
    "SKIPPED",
    "CANCELLED",
    "FAILED",
  ],
  AWAITING_APPROVAL: ["PENDING", "READY", "LEASED", "WAITING", "SUCCEEDED", "SKIPPED", "CANCELLED", "FAILED"],
  READY: ["PENDING", "LEASED", "WAITING", "SUCCEEDED", "FAILED", "SKIPPED", "CANCELLED"],
  LEASED: [
    "SUCCEEDED",
    "FAILED",
    "REFUSED",
    "BACKING_OFF",
    "READY",
    "STOPPING",
    "AWAITING_APPROVAL",
    "COMPENSATING",
    "COMPENSATED",
    "COMPENSATION_FAILED",
    "WAITING",
  ],
  STOPPING: ["CANCELLED", "SUCCEEDED", "FAILED", "REFUSED", "COMPENSATING", "COMPENSATION_FAILED"],
  BACKING_OFF: [
    "READY",
    "LEASED",
    "WAITING",
    "SUCCEEDED",
    "FAILED",
    "SKIPPED",
    "CANCELLED",
    "COMPENSATING",
    "COMPENSATED",
    "COMPENSATION_FAILED",
  ],
  SUCCEEDED: ["COMPENSATING", "READY", "PENDING"],
  FAILED: ["READY", "PENDING", "SUCCEEDED"],
  REFUSED: ["READY", "PENDING", "SUCCEEDED"],
  SKIPPED: ["PENDING", "READY"],
  CANCELLED: ["PENDING", "READY"],
  COMPENSATING: ["LEASED", "COMPENSATED", "COMPENSATION_FAILED"],
  COMPENSATED: [],
  COMPENSATION_FAILED: ["COMPENSATING", "COMPENSATED"],
};

const ENDED: ReadonlySet<StepState> = new Set([
  "SUCCEEDED",
  "FAILED",
  "REFUSED",
  "SKIPPED",
  "CANCELLED",
  "COMPENSATED",
  "COMPENSATION_FAILED",
]);
/** Of an effect that is to be undone: there is none, or none any more. */
const ENDED_FOR_GOOD: ReadonlySet<StepState> = new Set(["FAILED", "REFUSED", "SKIPPED", "CANCELLED", "COMPENSATED"]);
const NOT_BEGUN: ReadonlySet<StepState> = new Set(["PENDING", "WAITING", "AWAITING_APPROVAL", "READY", "BACKING_OFF"]);

/** Ended, for the plan's count. A step that is being compensated has ended. */
export function hasEnded(state: StepState): boolean {
  return ENDED.has(state) || state === "COMPENSATING";
}
/** Ended, for those that wait for it: an attempt that undoes it is none of theirs, unless it is to be undone first. */
export function isOver(row: StepRow): boolean {
  if (has(row.flags, STEP_FLAGS.UNDO_FIRST)) return ENDED_FOR_GOOD.has(row.state);
  return row.undoing || hasEnded(row.state);
}
/** No attempt runs, and none has succeeded. */
export function hasNotBegun(state: StepState): boolean {
  return NOT_BEGUN.has(state);
}

export type OnFailure = "FAIL_PLAN" | "SKIP_DEPENDENTS" | "CARRY_ON" | "ASK";

export interface Retry {
  readonly maxAttempts: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  readonly multiplier: number;
  /** Share of the wait that is drawn at random, 0 to 1. */
  readonly jitter: number;
}
export const NO_RETRY: Retry = {
  maxAttempts: 1,
  initialBackoffMs: 1_000,
  maxBackoffMs: 60_000,
  multiplier: 2,
  jitter: 0.2,
};
export const DEFAULT_TIMEOUT_MS = 3_600_000;

export interface Estimate {
  readonly optimisticMs: number;
  readonly likelyMs: number;
  readonly pessimisticMs: number;
}

export interface Compensation {
  readonly capability: string;
  readonly input: Payload | null;
  readonly timeoutMs: number;
  readonly retry: Retry;
}

export interface Need {
  readonly step: string;
  readonly regardless: boolean;
}

/** A step as it was asked for, with defaults filled in. A gate asks for a capability that Maestro alone has, see gate.ts. */
export interface StepDefinition {
  readonly key: string;
  readonly kind: "work" | "gate";
  readonly title: string;
  readonly capability: string;
  readonly executorLabels: Readonly<Record<string, string>>;
  readonly minTrust: number;
  readonly hold: Amounts;
  readonly needs: readonly Need[];
  /** CEL text; empty for none. */
  readonly condition: string;
  readonly input: Payload | null;
  /** JSON Schema text; empty for none. */
  readonly inputSchema: string;
  readonly outputSchema: string;
  readonly estimate: Estimate | null;
  readonly timeoutMs: number;
  readonly retry: Retry;
  readonly onFailure: OnFailure;
  readonly compensation: Compensation | null;
  readonly priority: number;
  readonly produces: readonly string[];
  readonly consumes: readonly string[];
  readonly requiresApproval: boolean;
}

/** A step of which nothing is said but its key, and what is in `parts`: defaults filled in. */
export function plainStep(key: string, parts: Partial<StepDefinition> = {}): StepDefinition {
  return {
    key,
    kind: "work",
    title: "",
    capability: "",
    executorLabels: {},
    minTrust: 0,
    hold: NOTHING,
    needs: [],
    condition: "",
    input: null,
    inputSchema: "",
    outputSchema: "",
    estimate: null,
    timeoutMs: DEFAULT_TIMEOUT_MS,
    retry: NO_RETRY,
    onFailure: "FAIL_PLAN",
    compensation: null,
    priority: 0,
    produces: [],
    consumes: [],
    requiresApproval: false,
    ...parts,
  };
}

/** What the hot row says of its definition, so that the common path need not load it. */
export const STEP_FLAGS = {
  /** Has references, a condition or an input schema: resolved before it becomes READY. */
  DYNAMIC: 1,
  /** Outputs are checked against a schema. */
  OUTPUT_SCHEMA: 2,
  REQUIRES_APPROVAL: 4,
  COMPENSABLE: 8,
  /** Dependents go on after a failure (CARRY_ON). */
  CARRY_ON: 16,
  /** Approval was given. */
  APPROVED: 32,
  /** Ready, and kept out of the ready set by the budget. */
  STARVED: 64,
  /** Dropped, with an effect that must be undone before its successor runs, see plan/README.md. */
  UNDO_FIRST: 128,
  /** Maestro performs it, and nobody's word takes its place. */
  GATE: 256,
} as const;

export function has(flags: number, flag: number): boolean {
  return (flags & flag) !== 0;
}

/** The hot row of a step. Times are epoch milliseconds. */
export interface StepRow {
  readonly planId: PlanId;
  readonly ordinal: number;
  readonly key: string;
  readonly version: number;
  readonly current: boolean;
  readonly state: StepState;
  readonly undoing: boolean;
  readonly heldBack: boolean;
  readonly waitingOn: number;
  /** See `orderKeyAt` in plan/queue.ts; set exactly while it can be leased. */
  readonly orderKey: number | null;
  readonly demandId: DemandId;
  readonly boostMs: number;
  readonly flags: number;
  readonly timeoutMs: number;
  readonly hold: Amounts;
  readonly attempt: number;
  readonly failures: number;
  readonly fencing: number;
  readonly executorId: ExecutorId | null;
  readonly sessionId: SessionId | null;
  /** End of a lease that is renewed by calls; null when a stream keeps it alive. */
  readonly leaseUntilMs: number | null;
  /** End of the attempt's time. */
  readonly deadlineMs: number | null;
  readonly notBeforeMs: number | null;
  readonly readyMs: number | null;
  readonly startedMs: number | null;
  readonly finishedMs: number | null;
}

/** A fencing number is (store epoch, n) in one whole number that only grows; n < 2^40. */
export const FENCING_EPOCH = 2 ** 40;

/** The fencing number after `current` in a store epoch: a restored backup has a higher epoch, so its numbers are all higher. */
export function nextFencing(current: number, storeEpoch: number): number {
  return Math.max(current, storeEpoch * FENCING_EPOCH) + 1;
}
