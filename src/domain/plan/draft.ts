// The working copy of a plan while a decision is made: every change goes through here, so that counters, transitions and
// records cannot be forgotten. Not here: the decisions themselves.
import type { Approval } from "../approval.ts";
import type { ExecutorId, RecordId, SessionId } from "../id.ts";
import { runArtifactsOf } from "../named-artifact.ts";
import type { Attempt, LeaseRef } from "../outcome.ts";
import { PLAN_TRANSITIONS } from "../plan.ts";
import type { PlanRow, PlanState } from "../plan.ts";
import { RECORD_SALT_BYTES, storeRecord } from "../record.ts";
import type { RecordDraft, RecordPlace, StageNotes, StoredRecord } from "../record.ts";
import type { RunArtifact } from "../run-artifact.ts";
import { has, hasEnded, STEP_FLAGS, STEP_TRANSITIONS } from "../step.ts";
import type { StepDefinition, StepRow, StepState } from "../step.ts";
import { consumedKey, earlierKey, MissingRows } from "./slice.ts";
import type {
  Cascade,
  ChildEdge,
  EarlierAttempt,
  GoalContext,
  LateReport,
  PlanChanges,
  PlanSlice,
  ResolvedInput,
  StepResult,
} from "./slice.ts";

/** What a decision needs besides rows; nothing else reaches the domain from outside. */
export interface DecideContext {
  readonly nowMs: number;
  readonly storeEpoch: number;
  /** Who causes the change, for records. */
  readonly actor: string;
  /** What the stages of the call had to say; null when no call causes it. */
  readonly stages: StageNotes | null;
  readonly newId: () => string;
  readonly salts: (bytes: number) => Uint8Array;
  readonly fraction: () => number;
}

/** A running attempt that must be told to stop. */
export interface StopOrderDraft {
  readonly lease: LeaseRef;
  readonly executorId: ExecutorId;
  readonly sessionId: SessionId;
  readonly reason: string;
}

/** A record whose consequences may still be told in it. */
interface DraftedRecord {
  readonly id: RecordId;
  readonly place: RecordPlace;
  readonly draft: RecordDraft;
  readonly stages: StageNotes | null;
  /** Steps that moved, and to which state. */
  readonly moves: [string, StepState][];
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Steps named in one record at most. */
export const CHANGES_LIMIT = 1_000;

export class PlanDraft {
  readonly plan: Mutable<PlanRow>;
  readonly context: DecideContext;
  readonly slice: PlanSlice;
  /** Who causes the change at hand; a batch decides for several. */
  actor: string;
  stages: StageNotes | null;
  /** Steps that became ready, in order; the dispatcher may lease them in the same transaction. */
  readonly ready: number[] = [];
  readonly stops: StopOrderDraft[] = [];
  cascade: Cascade | null | undefined = undefined;
  /** Levels of dependents that were followed so far. */
  levels = 0;
  readonly #steps = new Map<number, StepRow>();
  /** Of the changed rows, those that only wait for less. */
  readonly #waits = new Set<number>();
  readonly #attempts: Attempt[] = [];
  readonly #runArtifacts: RunArtifact[] = [];
  readonly #late: LateReport[] = [];
  readonly #inputs = new Map<string, ResolvedInput>();
  readonly #records: DraftedRecord[] = [];
  readonly #timers = new Map<number, number | null>();
  readonly #checkpoints = new Map<number, PlanChanges["checkpoints"][number]>();
  readonly #approvals = new Map<string, Approval>();
  readonly #results = new Map<string, StepResult>();
  /** States of the current rows that changed, by key. */
  readonly #states = new Map<string, StepState>();
  #goal: PlanChanges["goal"] = null;
  #moves: [string, StepState][] = [];
  #touched = false;

  constructor(slice: PlanSlice, context: DecideContext) {
    this.slice = slice;
    this.context = context;
    this.actor = context.actor;
    this.stages = context.stages;
    this.plan = { ...slice.plan };
  }

  /** Whether anything is to be written. */
  get touched(): boolean {
    return this.#touched;
  }

  /** Whether the plan is on its way to an end; a step that fails can make it so at any moment. */
  get isEnding(): boolean {
    return this.plan.ending !== null;
  }

  find(ordinal: number): StepRow | undefined {
    return this.#steps.get(ordinal) ?? this.slice.steps.get(ordinal);
  }

  step(ordinal: number): StepRow {
    const row = this.find(ordinal);
    if (row === undefined) throw new MissingRows({ steps: [ordinal] });
    return row;
  }

  children(ordinal: number): readonly ChildEdge[] {
    const edges = this.slice.children.get(ordinal);
    if (edges !== undefined) return edges;
    if (this.slice.whole) return [];
    throw new MissingRows({ childrenOf: [ordinal] });
  }

  definition(ordinal: number): StepDefinition {
    const definition = this.slice.definitions.get(ordinal);
    if (definition === undefined) throw new MissingRows({ definitions: [ordinal] });
    return definition;
  }

  goalContext(): GoalContext {
    if (this.slice.goal === null) throw new MissingRows({ goal: true });
    return this.slice.goal;
  }

  /** Of these keys, the ones whose results must be asked for. */
  unknownResults(keys: readonly string[]): readonly string[] {
    return keys.filter((key) => !this.#results.has(key) && !this.slice.results.has(key));
  }

  /** Results of steps by key, as this decision leaves them. */
  results(keys: readonly string[]): ReadonlyMap<string, StepResult> {
    const missing = this.unknownResults(keys);
    if (missing.length > 0) throw new MissingRows({ results: missing });
    const found = new Map<string, StepResult>();
    for (const key of keys) {
      const result = this.#results.get(key) ?? this.slice.results.get(key);
      if (result !== undefined) found.set(key, { ...result, state: this.#states.get(key) ?? result.state });
    }
    return found;
  }

  /** What these keys stood for to a row that has no place any more: others may have come under them since. */
  consumed(row: StepRow, keys: readonly string[]): ReadonlyMap<string, StepResult> {
    const { ordinal } = row;
    const here = this.#attempts.findLast((a) => a.ordinal === ordinal && a.state === "SUCCEEDED" && !a.undoing);
    const found = new Map<string, StepResult>();
    for (const key of keys) {
      const known = this.slice.consumed.get(consumedKey(ordinal, key));
      if (key === row.key && here !== undefined)
        found.set(key, {
          state: "SUCCEEDED",
          outputs: here.outputs?.kind === "json" ? here.outputs.text : null,
          outputsDigest: here.outputsDigest,
        });
      else if (known !== undefined) found.set(key, known);
      else throw new MissingRows({ consumed: { ordinal, beganMs: row.startedMs ?? row.finishedMs ?? 0, keys } });
    }
    return found;
  }

  earlier(ordinal: number, fencing: number): EarlierAttempt | null {
    const key = earlierKey(ordinal, fencing);
    // One that ended in this very batch may have been reported late in it as well: what was presumed is settled once.
    const found =
      this.#attempts.find((a) => a.ordinal === ordinal && a.fencing === fencing) ?? this.slice.earlier.get(key);
    if (found === undefined) throw new MissingRows({ earlier: [{ ordinal, fencing }] });
    const late = this.#late.find((l) => l.ordinal === ordinal && l.fencing === fencing);
    return found === null || late === undefined ? found : { ...found, lateDigest: late.lateDigest };
  }

  pendingApprovals(): readonly Approval[] {
    if (!this.slice.approvalsLoaded) throw new MissingRows({ approvals: true });
    const all = new Map([...this.slice.approvals, ...this.#approvals]);
    return [...all.values()].filter((a) => a.state === "PENDING");
  }

  /** Changes a step without changing its state. */
  patch(ordinal: number, patch: Partial<StepRow>): void {
    this.#put(this.step(ordinal), { ...this.step(ordinal), ...patch });
  }

  /** A step waits for one less. Kept apart: most rows that a batch touches change in nothing else. */
  waitFor(ordinal: number, waitingOn: number): void {
    const before = this.step(ordinal);
    if (!this.#steps.has(ordinal)) this.#waits.add(ordinal);
    this.#steps.set(ordinal, { ...before, waitingOn });
    this.#touched = true;
  }

  /** Moves a step to another state. A transition that the table does not know is a bug, never a silent change. */
  move(ordinal: number, state: StepState, patch: Partial<StepRow> = {}): void {
    const before = this.step(ordinal);
    if (!STEP_TRANSITIONS[before.state].includes(state))
      throw new Error(`step ${before.key}: ${before.state} may not become ${state}`);
    const leased = state === "LEASED" || state === "STOPPING";
    const queued = state === "READY" || state === "COMPENSATING";
    this.#put(before, {
      ...before,
      ...(leased ? {} : { sessionId: null, executorId: null, leaseUntilMs: null, deadlineMs: null }),
      ...(queued ? {} : { orderKey: null, flags: before.flags & ~STEP_FLAGS.STARVED }),
      ...(hasEnded(state) ? { finishedMs: this.context.nowMs } : {}),
      ...patch,
      state,
    });
    // A lease is an event of its own, and in the record of what the attempt comes to.
    if (state !== "LEASED") this.#moves.push([before.key, state]);
  }

  movePlan(state: PlanState): void {
    if (!PLAN_TRANSITIONS[this.plan.state].includes(state))
      throw new Error(`plan: ${this.plan.state} may not become ${state}`);
    this.plan.state = state;
    this.#touched = true;
  }

  setGoal(goal: NonNullable<PlanChanges["goal"]>): void {
    this.#goal = goal;
    this.#touched = true;
  }

  addAttempt(attempt: Attempt, outputs: string | null): void {
    this.#attempts.push(attempt);
    this.#touched = true;
    const row = this.step(attempt.ordinal);
    if (attempt.artifacts.length > 0)
      this.#runArtifacts.push(...runArtifactsOf(this.plan, row.key, attempt, this.actor, this.context.newId));
    if (!attempt.undoing && row.current)
      this.#results.set(row.key, { state: row.state, outputs, outputsDigest: attempt.outputsDigest });
  }

  addLate(report: LateReport): void {
    this.#late.push(report);
    this.#touched = true;
  }

  setInput(input: ResolvedInput): void {
    this.#inputs.set(`${String(input.ordinal)}/${String(input.undoing)}`, input);
    this.#touched = true;
  }

  /** Sets, or with null clears, the timer of a step. */
  setTimer(ordinal: number, dueMs: number | null): void {
    this.#timers.set(ordinal, dueMs);
    this.#touched = true;
  }

  /** Ends of the backoffs that were set here. */
  timersSet(): readonly number[] {
    return [...this.#timers.values()].filter((dueMs) => dueMs !== null);
  }

  setCheckpoint(ordinal: number, fencing: number, checkpoint: string): void {
    this.#checkpoints.set(ordinal, { ordinal, fencing, checkpoint });
    this.#touched = true;
  }

  setApproval(approval: Approval): void {
    this.#approvals.set(approval.approvalId, approval);
    this.#touched = true;
  }

  newRecordId(): RecordId {
    return this.context.newId() as RecordId;
  }

  /** Writes a record; steps that moved since the last one are named in it. */
  record(
    kind: string,
    body: Readonly<Record<string, unknown>>,
    options: { readonly id?: RecordId; readonly payload?: string | null; readonly actor?: string } = {},
  ): RecordId {
    const id = options.id ?? this.newRecordId();
    this.plan.recordSeq += 1;
    const { orgId, planId, recordSeq } = this.plan;
    this.#records.push({
      id,
      place: { orgId, stream: planId, seq: recordSeq, atMs: this.context.nowMs },
      draft: { kind, actor: options.actor ?? this.actor, body, payload: options.payload ?? null },
      // What the plan does by itself went through no stages.
      stages: options.actor === undefined ? this.stages : null,
      moves: this.#moves,
    });
    this.#moves = [];
    this.#touched = true;
    return id;
  }

  /** What moved since the last record came of what this one says, and is named in it: whoever follows the records misses nothing. */
  consequencesOf(recordId: RecordId): void {
    this.#records.find(({ id }) => id === recordId)?.moves.push(...this.#moves);
    this.#moves = [];
  }

  changes(): PlanChanges {
    this.plan.rev = this.slice.plan.rev + 1;
    return {
      plan: this.plan,
      steps: [...this.#steps.values()].filter((row) => !this.#waits.has(row.ordinal)),
      waits: [...this.#waits].map((ordinal) => ({ ordinal, waitingOn: this.step(ordinal).waitingOn })),
      attempts: this.#attempts,
      late: this.#late,
      inputs: [...this.#inputs.values()],
      runArtifacts: this.#runArtifacts,
      records: this.#records.map((record) => this.#stored(record)),
      timers: [...this.#timers].map(([ordinal, dueMs]) => ({ ordinal, dueMs })),
      approvals: [...this.#approvals.values()],
      rejectedVersions: this.#rejectedVersions(),
      checkpoints: [...this.#checkpoints.values()],
      cascade: this.cascade,
      goal: this.#goal,
    };
  }

  #stored({ id, place, draft, stages, moves }: DraftedRecord): StoredRecord {
    const body = {
      ...draft.body,
      ...(moves.length === 0 ? {} : { changes: moves.slice(0, CHANGES_LIMIT) }),
      ...(stages === null ? {} : { stages }),
    };
    return storeRecord({ ...draft, body }, place, id, this.context.salts(RECORD_SALT_BYTES));
  }

  /** A version whose ratification was refused or withdrawn is not asked about again. */
  #rejectedVersions(): readonly number[] {
    if (this.#approvals.size === 0) return [];
    return [...this.#approvals.values()].flatMap(({ subject, state, version }) =>
      subject === "COMMIT" && (state === "REJECTED" || state === "WITHDRAWN") && version !== this.plan.pendingVersion
        ? [version]
        : [],
    );
  }

  /** Rows that this decision wrote, as it leaves them. */
  get changedSteps(): ReadonlyMap<number, StepRow> {
    return this.#steps;
  }

  #put(before: StepRow, after: StepRow): void {
    this.#steps.set(after.ordinal, after);
    this.#waits.delete(after.ordinal);
    if (after.current) this.#states.set(after.key, after.state);
    this.#touched = true;
    const plan = this.plan;
    plan.stepsEnded += ended(after) - ended(before);
    plan.stepsSucceeded += succeeded(after) - succeeded(before);
    plan.stepsFailed += failed(after) - failed(before);
    plan.stepsRunning += running(after) - running(before);
    plan.stepsStarved += parked(after) - parked(before);
  }
}

// What a row adds to its plan's counters; a standing audit recomputes them with the same rules.
export function ended(row: StepRow): number {
  return row.current && (row.undoing || hasEnded(row.state)) ? 1 : 0;
}
export function succeeded(row: StepRow): number {
  return row.current && row.state === "SUCCEEDED" ? 1 : 0;
}
export function failed(row: StepRow): number {
  return row.current &&
    (row.state === "FAILED" ||
      row.state === "REFUSED" ||
      row.state === "CANCELLED" ||
      row.state === "COMPENSATION_FAILED")
    ? 1
    : 0;
}
/** Runs, or keeps the plan open because it is being undone; dropped rows count as well. */
export function running(row: StepRow): number {
  return row.state === "LEASED" ||
    row.state === "STOPPING" ||
    row.state === "COMPENSATING" ||
    (row.state === "BACKING_OFF" && row.undoing)
    ? 1
    : 0;
}
/** Ready, but kept out of the ready set by the budget or a suspension. */
export function parked(row: StepRow): number {
  return (row.state === "READY" || row.state === "COMPENSATING") && row.orderKey === null ? 1 : 0;
}

export function isCompensable(row: StepRow): boolean {
  return has(row.flags, STEP_FLAGS.COMPENSABLE);
}
