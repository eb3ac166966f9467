// The part of a plan that decisions read, what they may ask for besides, and what they change. Not here: the decisions.
import type { Limits } from "../amounts.ts";
import type { Approval } from "../approval.ts";
import type { GoalState } from "../goal.ts";
import type { Attempt } from "../outcome.ts";
import type { Artifact } from "../payload.ts";
import type { PlanRow } from "../plan.ts";
import type { StoredRecord } from "../record.ts";
import type { RunArtifact } from "../run-artifact.ts";
import type { StepDefinition, StepRow } from "../step.ts";

export interface ChildEdge {
  readonly to: number;
  readonly regardless: boolean;
}

/** What expressions of a plan may refer to besides steps. */
export interface GoalContext {
  readonly name: string;
  readonly charter: string;
  /** JSON text of an object. */
  readonly inputs: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What a step came to, for references: JSON text of its outputs, null when it has none. */
export interface StepResult {
  readonly state: StepRow["state"];
  readonly outputs: string | null;
  readonly outputsDigest: string;
}

/** An attempt that ended earlier, as far as duplicates and late reports need it. */
export type EarlierAttempt = Pick<
  Attempt,
  "ordinal" | "fencing" | "state" | "bodyDigest" | "lateDigest" | "hold" | "usage" | "recordId" | "executorId"
>;

/** Rows of one plan, read under its lock. Maps hold what was loaded; what is absent must be asked for. */
export interface PlanSlice {
  readonly plan: PlanRow;
  readonly steps: Map<number, StepRow>;
  readonly children: Map<number, readonly ChildEdge[]>;
  readonly definitions: Map<number, StepDefinition>;
  /** By step key; of the current rows. */
  readonly results: Map<string, StepResult>;
  /** By row and key, see consumedKey: what the key stood for to a row that has no place any more. */
  readonly consumed: Map<string, StepResult>;
  readonly earlier: Map<string, EarlierAttempt | null>;
  readonly approvals: Map<string, Approval>;
  goal: GoalContext | null;
  /** All steps and edges are loaded. */
  whole: boolean;
  /** Pending approvals are loaded. */
  approvalsLoaded: boolean;
  /** Ready steps without an order key (the budget or a suspension keeps them), at most PARKED_LIMIT; null until asked for. Those that what was left could pay for come first, then the oldest. */
  parked: readonly number[] | null;
  /** The work row of a cascade that goes on; undefined until asked for. */
  cascade: Cascade | null | undefined;
  /** Null until asked for. Candidates are done steps that can be undone, those that finished last first (the first 3 current ones, the first 3 dropped ones). */
  undo: { readonly busy: number | null; readonly candidates: readonly number[] } | null;
}

/** A slice of which nothing but the plan is loaded. */
export function emptySlice(plan: PlanRow): PlanSlice {
  return {
    plan,
    steps: new Map(),
    children: new Map(),
    definitions: new Map(),
    results: new Map(),
    consumed: new Map(),
    earlier: new Map(),
    approvals: new Map(),
    goal: null,
    whole: false,
    approvalsLoaded: false,
    parked: null,
    cascade: undefined,
    undo: null,
  };
}

/** Parked steps that a decision sees at once. */
export const PARKED_LIMIT = 2_000;
/** Times that a slice is completed for one decision; one that asks for more will never have enough. */
export const ROUNDS_LIMIT = 64;

export function earlierKey(ordinal: number, fencing: number): string {
  return `${String(ordinal)}/${String(fencing)}`;
}

export function consumedKey(ordinal: number, key: string): string {
  return `${String(ordinal)}/${key}`;
}

/** What a decision needs besides the slice it was given. */
export interface Needs {
  readonly steps?: readonly number[];
  readonly childrenOf?: readonly number[];
  readonly definitions?: readonly number[];
  readonly results?: readonly string[];
  /** Loads `consumed`: of each key the row's own success, or the last one that came before it began, or else the last of all. */
  readonly consumed?: { readonly ordinal: number; readonly beganMs: number; readonly keys: readonly string[] };
  readonly earlier?: readonly { readonly ordinal: number; readonly fencing: number }[];
  readonly approvals?: boolean;
  readonly goal?: boolean;
  readonly whole?: boolean;
  /** Loads `parked`; what is left of the budget says which come first. */
  readonly parked?: Limits;
  readonly cascade?: boolean;
  /** Loads `undo`, and the rows it names. */
  readonly undo?: boolean;
}

/** Thrown by a decision that needs more; the slice is completed and the decision made again from the start. */
export class MissingRows extends Error {
  readonly needs: Needs;
  constructor(needs: Needs) {
    super("a decision needs more rows");
    this.needs = needs;
  }
}

export interface ResolvedInput {
  readonly ordinal: number;
  readonly undoing: boolean;
  /** Store text of the payload, see payloadText; null for none. */
  readonly input: string | null;
  readonly effectiveDigest: string;
}

/** A report for an attempt that had already ended. */
export interface LateReport {
  readonly ordinal: number;
  readonly fencing: number;
  readonly lateDigest: string;
  readonly usage: Attempt["usage"];
  readonly artifacts: readonly Artifact[];
}

/** What a long cascade has left to do. */
export interface Cascade {
  /** Ended steps whose dependents have still to hear of it; none when an ending plan is swept. */
  readonly frontier: readonly number[];
  /** Of a sweep, the step that it goes on from. Of a frontier, the first dependent of its first step that has not heard; null for all. */
  readonly sweepFrom: number | null;
}

/** Everything that a decision changed in one plan; each row at most once. What rows keep for life (a step's key, version and hold, a plan's charter) no decision changes, and no update writes. */
export interface PlanChanges {
  readonly plan: PlanRow;
  readonly steps: readonly StepRow[];
  /** Steps of which nothing else changed. */
  readonly waits: readonly { readonly ordinal: number; readonly waitingOn: number }[];
  readonly attempts: readonly Attempt[];
  readonly late: readonly LateReport[];
  readonly inputs: readonly ResolvedInput[];
  /** What outcomes that succeeded named. */
  readonly runArtifacts: readonly RunArtifact[];
  readonly records: readonly StoredRecord[];
  readonly timers: readonly { readonly ordinal: number; readonly dueMs: number | null }[];
  readonly approvals: readonly Approval[];
  /** Graph versions that will not be ratified. */
  readonly rejectedVersions: readonly number[];
  readonly checkpoints: readonly {
    readonly ordinal: number;
    readonly fencing: number;
    /** Store text, see payloadText. */ readonly checkpoint: string;
  }[];
  /** Undefined: unchanged. Null: done. */
  readonly cascade: Cascade | null | undefined;
  readonly goal: { readonly state: GoalState; readonly finishedMs: number | null } | null;
}

/** The slice as a decision on it left the plan, for the next decision under the same lock; what else may have changed is asked for again. */
export function advanced(slice: PlanSlice, { plan, steps, waits, approvals, cascade }: PlanChanges): PlanSlice {
  const next: PlanSlice = {
    ...slice,
    plan,
    results: new Map(),
    consumed: new Map(),
    earlier: new Map(),
    parked: null,
    undo: null,
  };
  for (const row of steps) next.steps.set(row.ordinal, row);
  for (const { ordinal, waitingOn } of waits) {
    const row = next.steps.get(ordinal);
    if (row !== undefined) next.steps.set(ordinal, { ...row, waitingOn });
  }
  for (const approval of approvals) next.approvals.set(approval.approvalId, approval);
  if (cascade !== undefined) next.cascade = cascade;
  return next;
}
