// A plan in memory: its rows, loaded in slices and written back exactly as the store does it. Not here: what must hold of
// them (plan-invariants.ts), and what happens to them (plan-events.ts).
import { NO_LIMITS, NOTHING } from "../../src/domain/amounts.ts";
import type { Amounts, Limits } from "../../src/domain/amounts.ts";
import type { Approval } from "../../src/domain/approval.ts";
import { analyse } from "../../src/domain/graph/analysis.ts";
import type { ComparedGraph } from "../../src/domain/graph/diff.ts";
import { findCycles } from "../../src/domain/graph/cycles.ts";
import { deriveEdges } from "../../src/domain/graph/edges.ts";
import { graphDigest } from "../../src/domain/graph/fingerprint.ts";
import type { CharterId, ExecutorId, OrgId, PlanId, SessionId } from "../../src/domain/id.ts";
import type { Attempt, ErrorClass, Failure, Outcome, OutcomeResult, Receipt } from "../../src/domain/outcome.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import { overdue } from "../../src/domain/plan/control.ts";
import { continueCascade, decidePlan, wakeStep } from "../../src/domain/plan/decide.ts";
import type { PlanCommand } from "../../src/domain/plan/decide.ts";
import { PlanDraft } from "../../src/domain/plan/draft.ts";
import type { DecideContext, StopOrderDraft } from "../../src/domain/plan/draft.ts";
import { claim, loseLease } from "../../src/domain/plan/lease.ts";
import { report } from "../../src/domain/plan/report.ts";
import type { BuiltEdge } from "../../src/domain/plan/rows.ts";
import { earlierKey, MissingRows } from "../../src/domain/plan/slice.ts";
import type { Cascade, ChildEdge, Needs, PlanChanges, PlanSlice } from "../../src/domain/plan/slice.ts";
import type { StoredRecord } from "../../src/domain/record.ts";
import { decided } from "../../src/domain/refusal.ts";
import type { Decision } from "../../src/domain/refusal.ts";
import { STEP_FLAGS, has } from "../../src/domain/step.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import { transition } from "../../src/operations/transition.ts";
import type { GoalState } from "../../src/domain/goal.ts";
import { dice } from "./random-graph.ts";
import type { Dice } from "./random-graph.ts";

/** Times that a decision may ask for more rows, as in the store. */
const ROUNDS = 64;
const ORG = "00000000-0000-7000-8000-00000000000a" as OrgId;
const SESSION = "00000000-0000-7000-8000-00000000000b" as SessionId;
export const EXECUTORS = ["1", "2", "3"].map((n) => `00000000-0000-7000-8000-00000000000${n}` as ExecutorId);
const [FIRST_EXECUTOR] = EXECUTORS as [ExecutorId];

export interface WorldOptions {
  readonly seed?: number;
  readonly limits?: Partial<Limits>;
  readonly deadlineMs?: number | null;
}

interface Version {
  readonly definitions: ReadonlyMap<string, StepDefinition>;
  readonly graph: ComparedGraph;
}

/** Looks at what one decision wrote, before the world takes it over. */
export type WriteCheck = (
  world: PlanWorld,
  before: { readonly plan: PlanRow; readonly steps: ReadonlyMap<number, StepRow | undefined> },
  changes: PlanChanges,
) => void;

export class PlanWorld {
  /** plan-invariants.ts adds its own: whoever imports it has every write checked. */
  static readonly checks: WriteCheck[] = [];

  plan: PlanRow;
  readonly random: Dice;
  nowMs = 1_800_000_000_000;
  storeEpoch = 1;
  steps = new Map<number, StepRow>();
  edges: BuiltEdge[] = [];
  children = new Map<number, ChildEdge[]>();
  readonly attempts = new Map<string, Attempt>();
  readonly inputs = new Map<string, { readonly input: string | null }>();
  readonly records: StoredRecord[] = [];
  readonly timers = new Map<number, number>();
  readonly approvals = new Map<string, Approval>();
  cascade: Cascade | null = null;
  goal: { readonly state: GoalState; readonly finishedMs: number | null } = { state: "REFINED", finishedMs: null };
  /** What executors were told to stop. */
  readonly stops: StopOrderDraft[] = [];
  /** Ordinals in the order in which their undoing began. */
  readonly undone: number[] = [];
  /** Times that decisions asked for more rows than they were given. */
  completions = 0;
  /** Dimensions that are limited for the plan's whole life, and how far at first. */
  readonly limited = new Map<keyof Limits, number>();
  readonly #versions = new Map<number, Version>();
  readonly #limits: Limits;
  readonly #deadlineMs: number | null;
  #ids = 0;

  constructor(options: WorldOptions = {}) {
    this.random = dice(options.seed ?? 1);
    this.#limits = { ...NO_LIMITS, ...options.limits };
    this.#deadlineMs = options.deadlineMs ?? null;
    const planId = this.#id() as PlanId;
    this.plan = {
      orgId: ORG,
      planId,
      charterId: this.#id() as CharterId,
      charterRevision: 1,
      state: "UNCOMMITTED",
      rev: 1,
      recordSeq: 0,
      newestVersion: 0,
      activeVersion: 0,
      pendingVersion: 0,
      nextOrdinal: 1,
      ending: null,
      compensate: false,
      reason: "",
      account: {
        currency: "USD",
        allotted: NO_LIMITS,
        held: NOTHING,
        spent: NOTHING,
        overrun: NOTHING,
        presumed: NOTHING,
      },
      stepsTotal: 0,
      stepsEnded: 0,
      stepsSucceeded: 0,
      stepsFailed: 0,
      stepsRunning: 0,
      stepsStarved: 0,
      minTrust: 0,
      traceparent: "",
      createdMs: this.nowMs,
      committedMs: null,
      deadlineMs: null,
      finishedMs: null,
    };
  }

  /** Refines and activates a graph; undefined when the steps make no graph. */
  activate(
    steps: readonly StepDefinition[],
    options: { readonly limits?: Limits; readonly staleRule?: "RERUN" | "KEEP" } = {},
  ): Decision<null> | undefined {
    const derived = deriveEdges(steps);
    if (
      derived.violations.length > 0 ||
      derived.missing.length > 0 ||
      findCycles(
        steps.map((s) => s.key),
        derived.edges,
      ).length > 0
    )
      return undefined;
    const graph = analyse(steps, derived.edges, { deadlineMs: null, limits: NO_LIMITS, servable: () => true });
    const after: ComparedGraph = { steps: graph.steps, edges: graph.edges, analysis: graph.analysis };
    const version = this.plan.newestVersion + 1;
    const { succession } = transition({
      before: this.#versions.get(this.plan.activeVersion)?.graph ?? null,
      after,
      orgId: ORG,
      planId: this.plan.planId,
      planState: this.plan.state,
      version,
      nextOrdinal: this.plan.nextOrdinal,
      minTrust: 0,
      staleRule: options.staleRule ?? "RERUN",
      nowMs: this.nowMs,
      rows: [...this.steps.values()],
      rowEdges: this.edges,
    });
    const before = { plan: this.plan, steps: new Map(this.steps), edges: this.edges };
    this.#versions.set(version, { definitions: new Map(steps.map((s) => [s.key, s])), graph: after });
    this.plan = { ...this.plan, newestVersion: version };
    for (const { row, input } of succession.added) {
      this.steps.set(row.ordinal, row);
      if (input !== null) this.inputs.set(`${String(row.ordinal)}/false`, { input: input.text });
    }
    const gone = new Set(succession.removedEdges.map((e) => `${String(e.from)}/${String(e.to)}`));
    this.#wire([...this.edges.filter((e) => !gone.has(`${String(e.from)}/${String(e.to)}`)), ...succession.addedEdges]);
    const limits = options.limits ?? this.#limits;
    const decision = this.command({
      kind: "activate",
      operation: this.plan.activeVersion === 0 ? "graph.commit" : "graph.replan",
      reason: graphDigest(graph.steps, graph.edges),
      version,
      constraints: { budget: { ...limits, currency: "USD" }, deadlineMs: this.#deadlineMs, minTrust: 0 },
      added: succession.added.length,
      arrivals: succession.arrivals,
      settled: succession.settled,
      removed: succession.removed,
      rewired: succession.rewired,
      readyAtOnce: succession.readyAtOnce,
      traceparent: "",
    });
    if (!decision.ok) {
      // The transaction is rolled back.
      this.plan = before.plan;
      this.steps = before.steps;
      this.#wire(before.edges);
      this.#versions.delete(version);
      return decision;
    }
    return decided(null);
  }

  definitionsOf(version: number): readonly StepDefinition[] {
    return [...(this.#versions.get(version)?.definitions.values() ?? [])];
  }

  definition(row: StepRow): StepDefinition {
    const found = this.#versions.get(row.version)?.definitions.get(row.key);
    if (found === undefined) throw new Error(`no definition of ${row.key} in version ${String(row.version)}`);
    return found;
  }

  /** The current row under a key. */
  row(key: string): StepRow {
    const found = [...this.steps.values()].find((row) => row.key === key && row.current);
    if (found === undefined) throw new Error(`no step ${key}`);
    return found;
  }

  states(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      [...this.steps.values()]
        .filter((row) => row.current)
        .sort((a, b) => a.ordinal - b.ordinal)
        .map((row) => [row.key, row.state]),
    );
  }

  get pending(): readonly Approval[] {
    return [...this.approvals.values()].filter((a) => a.state === "PENDING");
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  command(command: PlanCommand): Decision<null> {
    const slice = this.#slice([], []);
    for (let round = 0; round < ROUNDS; round++) {
      try {
        const decision = decidePlan(slice, command, this.#context());
        if (!decision.ok) return decision;
        this.stops.push(...decision.value.stops);
        this.#write(decision.value.changes);
        if (!this.records.some((r) => r.recordId === decision.value.recordId))
          throw new Error("a command left no record");
        return decided(null);
      } catch (error) {
        this.#complete(slice, error);
      }
    }
    throw new Error(`${command.kind} asked for more rows without end`);
  }

  /** One batch on this plan: everything is decided in one draft and written once. */
  batch<T>(ordinals: readonly number[], childrenOf: readonly number[], decide: (draft: PlanDraft) => T): T {
    const slice = this.#slice(ordinals, childrenOf);
    for (let round = 0; round < ROUNDS; round++) {
      const draft = new PlanDraft(slice, this.#context());
      try {
        const result = decide(draft);
        this.stops.push(...draft.stops);
        if (draft.touched) this.#write(draft.changes());
        return result;
      } catch (error) {
        this.#complete(slice, error);
      }
    }
    throw new Error("a batch asked for more rows without end");
  }

  claim(ordinal: number, executorId: ExecutorId = FIRST_EXECUTOR): StepRow | undefined {
    return this.batch([ordinal], [], (draft) =>
      claim(draft, { ordinal, executorId, sessionId: SESSION, leaseMs: null }),
    );
  }

  report(outcome: Outcome, executorId: ExecutorId = FIRST_EXECUTOR): Decision<Receipt> {
    const { ordinal } = outcome.lease;
    return this.batch([ordinal], outcome.result.kind === "success" ? [ordinal] : [], (draft) =>
      report(draft, outcome, executorId),
    );
  }

  lose(ordinal: number, fencing: number, errorClass: ErrorClass = "LOST"): boolean {
    return this.batch([ordinal], [], (draft) =>
      loseLease(draft, ordinal, fencing, { errorClass, message: "gone", details: "" }),
    );
  }

  wake(ordinal: number): void {
    this.batch([ordinal], [], (draft) => {
      wakeStep(draft, ordinal);
    });
  }

  /** Timers that are due. */
  wakeDue(): void {
    for (const [ordinal, dueMs] of [...this.timers]) if (dueMs <= this.nowMs) this.wake(ordinal);
  }

  /** One chunk of the cascade that is left over; false when there is none. */
  goOn(): boolean {
    if (this.cascade === null) return false;
    this.batch([], [], (draft) => {
      continueCascade(draft);
    });
    return true;
  }

  overdue(): void {
    this.batch([], [], (draft) => {
      overdue(draft);
    });
  }

  /** Leases and reports a step by key, as it would go on a stream. */
  perform(
    key: string,
    result: "success" | "refusal" | "stopped" | "returned" | ErrorClass = "success",
    parts: { readonly usage?: Partial<Amounts>; readonly value?: number; readonly tookMs?: number } = {},
  ): Decision<Receipt> {
    const { ordinal } = this.row(key);
    return this.performRow(ordinal, result, parts);
  }

  performRow(
    ordinal: number,
    result: "success" | "refusal" | "stopped" | "returned" | ErrorClass = "success",
    parts: { readonly usage?: Partial<Amounts>; readonly value?: number; readonly tookMs?: number } = {},
  ): Decision<Receipt> {
    const leased = this.claim(ordinal);
    if (leased === undefined)
      throw new Error(`step ${String(ordinal)} cannot be leased: ${JSON.stringify(this.steps.get(ordinal))}`);
    this.pass(parts.tookMs ?? 10);
    return this.report(this.outcome(leased, result, parts));
  }

  outcome(
    leased: StepRow,
    result: "success" | "refusal" | "stopped" | "returned" | ErrorClass,
    parts: { readonly usage?: Partial<Amounts>; readonly value?: number; readonly body?: string } = {},
  ): Outcome {
    const text = `{"value":${String(parts.value ?? 1)}}`;
    return {
      lease: { planId: this.plan.planId, step: leased.key, ordinal: leased.ordinal, fencing: leased.fencing },
      result: resultOf(result, text),
      usage: { ...NOTHING, ...parts.usage },
      artifacts: [],
      bodyDigest: Buffer.from(parts.body ?? `${result}/${text}/${JSON.stringify(parts.usage ?? {})}`),
      logTail: "",
    };
  }

  #context(): DecideContext {
    return {
      nowMs: this.nowMs,
      storeEpoch: this.storeEpoch,
      actor: "tester",
      stages: null,
      newId: () => this.#id(),
      salts: (bytes) => new Uint8Array(bytes).fill(this.records.length % 251),
      fraction: () => this.random.fraction(),
    };
  }

  #id(): string {
    this.#ids += 1;
    return `00000000-0000-7000-9000-${String(this.#ids).padStart(12, "0")}`;
  }

  #wire(edges: readonly BuiltEdge[]): void {
    this.edges = [...edges];
    this.children = new Map();
    for (const { from, to, regardless } of edges) {
      const list = this.children.get(from);
      if (list === undefined) this.children.set(from, [{ to, regardless }]);
      else list.push({ to, regardless });
    }
  }

  #slice(ordinals: readonly number[], childrenOf: readonly number[]): PlanSlice {
    const slice: PlanSlice = {
      plan: this.plan,
      steps: new Map(),
      children: new Map(),
      definitions: new Map(),
      results: new Map(),
      earlier: new Map(),
      approvals: new Map(),
      goal: null,
      whole: false,
      approvalsLoaded: false,
      parked: null,
      cascade: undefined,
      undo: null,
    };
    this.#load(slice, ordinals);
    this.#loadChildren(slice, childrenOf);
    return slice;
  }

  #load(slice: PlanSlice, ordinals: Iterable<number>): void {
    for (const ordinal of ordinals) {
      const row = this.steps.get(ordinal);
      if (row !== undefined) slice.steps.set(ordinal, row);
    }
  }

  #loadChildren(slice: PlanSlice, parents: Iterable<number>): void {
    for (const ordinal of parents) {
      const list = this.children.get(ordinal) ?? [];
      slice.children.set(ordinal, list);
      this.#load(
        slice,
        list.map((e) => e.to),
      );
    }
  }

  #complete(slice: PlanSlice, error: unknown): void {
    if (!(error instanceof MissingRows)) throw error;
    this.completions += 1;
    const { needs } = error;
    if (
      Object.values(needs).every(
        (need) => need === undefined || need === false || (Array.isArray(need) && need.length === 0),
      )
    )
      throw new Error("a decision asked for nothing");
    this.#fill(slice, needs);
  }

  #fill(slice: PlanSlice, needs: Needs): void {
    if (needs.whole === true) {
      this.#load(slice, this.steps.keys());
      for (const [from, list] of this.children) slice.children.set(from, list);
      slice.whole = true;
    }
    this.#load(slice, needs.steps ?? []);
    this.#loadChildren(slice, needs.childrenOf ?? []);
    for (const ordinal of needs.definitions ?? []) {
      const row = this.steps.get(ordinal);
      if (row !== undefined) slice.definitions.set(ordinal, this.definition(row));
    }
    for (const key of needs.results ?? []) {
      const row = [...this.steps.values()].find((r) => r.key === key && r.current);
      const last =
        row === undefined
          ? undefined
          : this.#attemptsOf(row.ordinal)
              .filter((a) => a.state === "SUCCEEDED" && !a.undoing)
              .at(-1);
      slice.results.set(key, {
        state: row?.state ?? "SKIPPED",
        outputs: last?.outputs?.kind === "json" ? last.outputs.text : null,
        outputsDigest: last?.outputsDigest ?? "",
      });
    }
    for (const { ordinal, fencing } of needs.earlier ?? [])
      slice.earlier.set(earlierKey(ordinal, fencing), this.attempts.get(earlierKey(ordinal, fencing)) ?? null);
    if (needs.approvals === true) {
      for (const approval of this.pending) slice.approvals.set(approval.approvalId, approval);
      slice.approvalsLoaded = true;
    }
    if (needs.goal === true) slice.goal = { name: "goal", charter: "charter", inputs: '{"ref":"main"}', labels: {} };
    if (needs.parked === true) {
      const rows = [...this.steps.values()].filter(
        (r) => (r.state === "READY" || r.state === "COMPENSATING") && r.orderKey === null,
      );
      rows.sort((a, b) => (a.readyMs ?? 0) - (b.readyMs ?? 0) || a.ordinal - b.ordinal);
      slice.parked = rows.slice(0, 2_000).map((r) => r.ordinal);
      this.#load(slice, slice.parked);
    }
    if (needs.cascade === true) slice.cascade = this.cascade;
    if (needs.undo === true) this.#fillUndo(slice);
  }

  #fillUndo(slice: PlanSlice): void {
    const rows = [...this.steps.values()];
    const busy = rows.find(
      (r) => r.undoing && (r.state === "COMPENSATING" || r.state === "LEASED" || r.state === "BACKING_OFF"),
    );
    const done = rows
      .filter((r) => r.state === "SUCCEEDED" && has(r.flags, STEP_FLAGS.COMPENSABLE))
      .sort((a, b) => (b.finishedMs ?? 0) - (a.finishedMs ?? 0) || b.ordinal - a.ordinal);
    const candidates = [
      ...done.filter((r) => r.current).slice(0, 3),
      ...done.filter((r) => !r.current).slice(0, 3),
    ].map((r) => r.ordinal);
    this.#load(slice, [...candidates, ...(busy === undefined ? [] : [busy.ordinal])]);
    slice.undo = { busy: busy?.ordinal ?? null, candidates };
  }

  #attemptsOf(ordinal: number): readonly Attempt[] {
    return [...this.attempts.values()].filter((a) => a.ordinal === ordinal).sort((a, b) => a.fencing - b.fencing);
  }

  /** Writes what the statements of the store write, and nothing else. */
  #write(changes: PlanChanges): void {
    const before = {
      plan: this.plan,
      steps: new Map(changes.steps.map((row) => [row.ordinal, this.steps.get(row.ordinal)])),
    };
    this.plan = { ...changes.plan };
    for (const row of changes.steps) {
      const old = this.steps.get(row.ordinal);
      if (old === undefined) throw new Error(`step ${String(row.ordinal)} was written and does not exist`);
      if (row.state === "COMPENSATING" && old.state === "SUCCEEDED") this.undone.push(row.ordinal);
      this.steps.set(row.ordinal, row);
    }
    for (const { ordinal, waitingOn } of changes.waits) {
      const old = this.steps.get(ordinal);
      if (old === undefined || changes.steps.some((row) => row.ordinal === ordinal))
        throw new Error(`step ${String(ordinal)} is written twice, or does not exist`);
      this.steps.set(ordinal, { ...old, waitingOn });
    }
    for (const attempt of changes.attempts) {
      const key = earlierKey(attempt.ordinal, attempt.fencing);
      if (this.attempts.has(key)) throw new Error(`attempt ${key} ended twice`);
      this.attempts.set(key, attempt);
    }
    for (const late of changes.late) {
      const key = earlierKey(late.ordinal, late.fencing);
      const attempt = this.attempts.get(key);
      if (attempt === undefined) throw new Error(`a late report of attempt ${key}, which did not end`);
      this.attempts.set(key, { ...attempt, lateDigest: late.lateDigest, usage: late.usage });
    }
    for (const input of changes.inputs)
      this.inputs.set(`${String(input.ordinal)}/${String(input.undoing)}`, { input: input.input });
    this.records.push(...changes.records);
    for (const { ordinal, dueMs } of changes.timers) {
      if (dueMs === null) this.timers.delete(ordinal);
      else this.timers.set(ordinal, dueMs);
    }
    for (const approval of changes.approvals) this.approvals.set(approval.approvalId, approval);
    if (changes.cascade !== undefined) this.cascade = changes.cascade;
    if (changes.goal !== null) this.goal = changes.goal;
    for (const check of PlanWorld.checks) check(this, before, changes);
  }
}

function resultOf(result: "success" | "refusal" | "stopped" | "returned" | ErrorClass, text: string): OutcomeResult {
  const failure = (errorClass: ErrorClass): Failure => ({ errorClass, message: "it went wrong", details: "" });
  switch (result) {
    case "success":
      return { kind: "success", outputs: { kind: "json", text }, outputsDigest: `digest of ${text}` };
    case "refusal":
      return { kind: "refusal", explanation: "not here", rule: "house" };
    case "stopped":
    case "returned":
      return { kind: result, message: "" };
    default:
      return { kind: "failure", failure: failure(result) };
  }
}
