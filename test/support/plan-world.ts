// The verbs that act on a plan in memory: commands, batches, leases and outcomes, decided on slices and written as one
// transaction each. Not here: what is kept (plan-store.ts), and what happens by chance (plan-events.ts).
import { NO_LIMITS, NOTHING } from "../../src/domain/amounts.ts";
import type { Amounts, Limits } from "../../src/domain/amounts.ts";
import { sha256Hex } from "../../src/domain/canonical.ts";
import { analyse } from "../../src/domain/graph/analysis.ts";
import type { ComparedGraph } from "../../src/domain/graph/diff.ts";
import { findCycles } from "../../src/domain/graph/cycles.ts";
import { deriveEdges } from "../../src/domain/graph/edges.ts";
import { graphDigest } from "../../src/domain/graph/fingerprint.ts";
import type { CharterId, ExecutorId, PlanId, SessionId } from "../../src/domain/id.ts";
import type { ErrorClass, Failure, Outcome, OutcomeResult, Receipt } from "../../src/domain/outcome.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import type { Replacement } from "../../src/domain/plan/activation.ts";
import { overdue } from "../../src/domain/plan/control.ts";
import { continueCascade, decidePlan, wakeStep } from "../../src/domain/plan/decide.ts";
import type { PlanCommand } from "../../src/domain/plan/decide.ts";
import { PlanDraft } from "../../src/domain/plan/draft.ts";
import type { DecideContext, StopOrderDraft } from "../../src/domain/plan/draft.ts";
import { claim, loseLease } from "../../src/domain/plan/lease.ts";
import { report } from "../../src/domain/plan/report.ts";
import { mayRerun, mustNotWaitInVain } from "../../src/domain/plan/rerun.ts";
import type { RerunOrder, RerunStory } from "../../src/domain/plan/rerun.ts";
import type { BuiltEdge } from "../../src/domain/plan/rows.ts";
import { advanced, MissingRows } from "../../src/domain/plan/slice.ts";
import type { PlanChanges, PlanSlice } from "../../src/domain/plan/slice.ts";
import { decided } from "../../src/domain/refusal.ts";
import type { Decision } from "../../src/domain/refusal.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";
import { storyOf } from "../../src/operations/step-rerun-story.ts";
import type { Succession } from "../../src/operations/succession.ts";
import { transition } from "../../src/operations/transition.ts";
import { completeSlice, sliceOf } from "./plan-slices.ts";
import { ORG, PlanStore, uncommitted } from "./plan-store.ts";
import { dice } from "./random-graph.ts";
import type { Dice } from "./random-graph.ts";

/** Times that a decision may ask for more rows, as in the store. */
const ROUNDS = 64;
const START_MS = 1_800_000_000_000;
export const SESSION = "00000000-0000-7000-8000-00000000000b" as SessionId;
export const EXECUTORS = ["1", "2", "3"].map((n) => `00000000-0000-7000-8000-00000000000${n}` as ExecutorId);
const [FIRST_EXECUTOR] = EXECUTORS as [ExecutorId];

/** What an executor says at the end. */
export type Ending = "success" | "refusal" | "stopped" | "returned" | ErrorClass;

export interface WorldOptions {
  readonly seed?: number;
  readonly limits?: Partial<Limits>;
  readonly deadlineMs?: number | null;
}

export class PlanWorld extends PlanStore {
  readonly random: Dice;
  nowMs = START_MS;
  storeEpoch = 1;
  /** What executors were told to stop. */
  readonly stops: StopOrderDraft[] = [];
  /** Times that decisions asked for more rows than they were given. */
  completions = 0;
  /** Dimensions that are limited for the plan's whole life, and how far at first. */
  readonly limited = new Map<keyof Limits, number>();
  readonly #limits: Limits;
  readonly #deadlineMs: number | null;
  #ids = 2;

  constructor(options: WorldOptions = {}) {
    super(uncommitted(numberedId(1) as PlanId, numberedId(2) as CharterId, START_MS));
    this.random = dice(options.seed ?? 1);
    this.#limits = { ...NO_LIMITS, ...options.limits };
    this.#deadlineMs = options.deadlineMs ?? null;
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
      before: this.versions.get(this.plan.activeVersion)?.graph ?? null,
      after,
      version,
      staleRule: options.staleRule ?? "RERUN",
      undoFirst: true,
      ...this.#standing(),
    });
    const before = this.#kept();
    this.versions.set(version, { definitions: new Map(steps.map((s) => [s.key, s])), graph: after });
    this.plan = { ...this.plan, newestVersion: version };
    this.#take(succession);
    const limits = options.limits ?? this.#limits;
    const decision = this.command({
      kind: "activate",
      operation: this.plan.activeVersion === 0 ? "graph.commit" : "graph.replan",
      reason: graphDigest(graph.steps, graph.edges),
      version,
      constraints: { budget: { ...limits, currency: "USD" }, deadlineMs: this.#deadlineMs, minTrust: 0 },
      ...replacementOf(succession),
      traceparent: "",
    });
    if (!decision.ok) {
      this.#rollBack(before);
      this.versions.delete(version);
      return decision;
    }
    return decided(null);
  }

  /** Runs a done step again, as the operation does. */
  rerun(key: string, cascade = false, order: RerunOrder = "UNDO_FIRST"): Decision<RerunStory> {
    const row = this.row(key);
    const rows = [...this.steps.values()].filter((one) => one.current);
    const refusal = mayRerun(this.plan, row, rows);
    if (refusal !== undefined) return { ok: false, refusal };
    const graph = this.versions.get(this.plan.activeVersion)?.graph;
    if (graph === undefined) throw new Error("no active version");
    const { succession } = transition({
      before: graph,
      after: graph,
      again: [key],
      version: this.plan.activeVersion,
      staleRule: cascade ? "RERUN" : "KEEP",
      undoFirst: order === "UNDO_FIRST",
      ...this.#standing(),
    });
    const gone = new Set(succession.removed);
    const vain = mustNotWaitInVain(
      row,
      this.edges.flatMap(({ from, to, regardless }) => {
        const parent = this.steps.get(from);
        return to !== row.ordinal || parent?.current !== true || gone.has(from) ? [] : [{ row: parent, regardless }];
      }),
    );
    if (vain !== undefined) return { ok: false, refusal: vain };
    const before = this.#kept();
    const story = storyOf(key, rows, succession);
    this.#take(succession);
    const decision = this.command({
      kind: "rerun",
      ordinal: succession.added.find((one) => one.row.key === key)?.row.ordinal ?? 0,
      reason: "",
      cascade,
      order,
      replacement: replacementOf(succession),
      story,
    });
    if (!decision.ok) this.#rollBack(before);
    return decision.ok ? decided(story) : decision;
  }

  /** Where the plan stands, for what would become of its rows. */
  #standing() {
    return {
      orgId: ORG,
      planId: this.plan.planId,
      planState: this.plan.state,
      nextOrdinal: this.plan.nextOrdinal,
      minTrust: 0,
      nowMs: this.nowMs,
      committedMs: this.plan.committedMs,
      rows: [...this.steps.values()],
      rowEdges: this.edges,
    };
  }

  /** Rows and edges are written before the decision that counts them. */
  #take(succession: Succession): void {
    for (const { row, input } of succession.added) {
      this.steps.set(row.ordinal, row);
      if (input !== null) this.inputs.set(`${String(row.ordinal)}/false`, { input: input.text });
    }
    const gone = new Set(succession.removedEdges.map((e) => `${String(e.from)}/${String(e.to)}`));
    this.wire([...this.edges.filter((e) => !gone.has(`${String(e.from)}/${String(e.to)}`)), ...succession.addedEdges]);
  }

  #kept() {
    return { plan: this.plan, steps: new Map(this.steps), edges: this.edges };
  }

  /** The transaction is rolled back. */
  #rollBack(before: {
    readonly plan: PlanRow;
    readonly steps: Map<number, StepRow>;
    readonly edges: BuiltEdge[];
  }): void {
    this.plan = before.plan;
    this.steps = before.steps;
    this.wire(before.edges);
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  command(command: PlanCommand): Decision<null> {
    const done = this.#decide(sliceOf(this, [], []), command);
    return done.ok ? decided(null) : done;
  }

  /** Verbs on many steps under one lock, each on the slice as the one before left it; says how many were carried out. */
  commands(wanted: readonly PlanCommand[]): number {
    let slice = sliceOf(this, [], []);
    let count = 0;
    for (const command of wanted) {
      const done = this.#decide(slice, command);
      if (!done.ok) continue;
      count += 1;
      slice = advanced(slice, done.value);
      for (const [ordinal, row] of slice.steps)
        if (JSON.stringify(row) !== JSON.stringify(this.steps.get(ordinal)))
          throw new Error(`a slice went on with another row than is kept: ${JSON.stringify(row)}`);
    }
    return count;
  }

  #decide(slice: PlanSlice, command: PlanCommand): Decision<PlanChanges> {
    for (let round = 0; round < ROUNDS; round++) {
      try {
        const decision = decidePlan(slice, command, this.#context());
        if (!decision.ok) return decision;
        const { changes, recordId, stops } = decision.value;
        this.stops.push(...stops);
        this.write(changes);
        if (!this.records.some((r) => r.recordId === recordId)) throw new Error("a command left no record");
        return decided(changes);
      } catch (error) {
        this.#complete(slice, error);
      }
    }
    throw new Error(`${command.kind} asked for more rows without end`);
  }

  /** One batch on this plan: everything is decided in one draft and written once. */
  batch<T>(ordinals: readonly number[], childrenOf: readonly number[], decide: (draft: PlanDraft) => T): T {
    const slice = sliceOf(this, ordinals, childrenOf);
    for (let round = 0; round < ROUNDS; round++) {
      const draft = new PlanDraft(slice, this.#context());
      try {
        const result = decide(draft);
        this.stops.push(...draft.stops);
        if (draft.touched) this.write(draft.changes());
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
    result: Ending = "success",
    parts: { readonly usage?: Partial<Amounts>; readonly value?: number; readonly tookMs?: number } = {},
  ): Decision<Receipt> {
    const { ordinal } = this.row(key);
    return this.performRow(ordinal, result, parts);
  }

  performRow(
    ordinal: number,
    result: Ending = "success",
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
    result: Ending,
    parts: {
      readonly usage?: Partial<Amounts>;
      readonly value?: number;
      readonly body?: string;
      readonly artifacts?: Outcome["artifacts"];
    } = {},
  ): Outcome {
    const text = `{"value":${String(parts.value ?? 1)}}`;
    return {
      lease: { planId: this.plan.planId, step: leased.key, ordinal: leased.ordinal, fencing: leased.fencing },
      result: resultOf(result, text),
      usage: { ...NOTHING, ...parts.usage },
      artifacts: parts.artifacts ?? [],
      bodyDigest: sha256Hex(parts.body ?? `${result}/${text}/${JSON.stringify(parts.usage ?? {})}`),
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
    return numberedId(this.#ids);
  }

  #complete(slice: PlanSlice, error: unknown): void {
    if (!(error instanceof MissingRows)) throw error;
    this.completions += 1;
    completeSlice(this, slice, error.needs);
  }
}

function replacementOf(succession: Succession): Replacement {
  const { added, arrivals, settled, removed, undoFirst, rewired, readyAtOnce } = succession;
  return { added: added.length, arrivals, settled, removed, undoFirst, rewired, readyAtOnce, claims: [] };
}

function numberedId(n: number): string {
  return `00000000-0000-7000-9000-${String(n).padStart(12, "0")}`;
}

function resultOf(result: Ending, text: string): OutcomeResult {
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
