// A plan in memory: its rows and what else is kept of it, written exactly as the store writes it. Not here: loading it in
// slices (plan-slices.ts), the verbs that act on it (plan-world.ts), and what must hold of it (plan-invariants.ts).
import { NO_LIMITS, NOTHING } from "../../src/domain/amounts.ts";
import type { Approval } from "../../src/domain/approval.ts";
import type { GoalState } from "../../src/domain/goal.ts";
import type { ComparedGraph } from "../../src/domain/graph/diff.ts";
import type { CharterId, OrgId, PlanId } from "../../src/domain/id.ts";
import type { Attempt } from "../../src/domain/outcome.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import type { BuiltEdge } from "../../src/domain/plan/rows.ts";
import { earlierKey } from "../../src/domain/plan/slice.ts";
import type { Cascade, ChildEdge, PlanChanges } from "../../src/domain/plan/slice.ts";
import type { StoredRecord } from "../../src/domain/record.ts";
import type { StepDefinition, StepRow } from "../../src/domain/step.ts";

export const ORG = "00000000-0000-7000-8000-00000000000a" as OrgId;

interface Version {
  readonly definitions: ReadonlyMap<string, StepDefinition>;
  readonly graph: ComparedGraph;
}

/** Looks at what one decision wrote, before anything else happens. */
export type WriteCheck = (
  store: PlanStore,
  before: { readonly plan: PlanRow; readonly steps: ReadonlyMap<number, StepRow | undefined> },
  changes: PlanChanges,
) => void;

export class PlanStore {
  /** plan-invariants.ts adds its own: whoever imports it has every write checked. */
  static readonly checks: WriteCheck[] = [];

  plan: PlanRow;
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
  /** Ordinals in the order in which their undoing began. */
  readonly undone: number[] = [];
  protected readonly versions = new Map<number, Version>();

  constructor(plan: PlanRow) {
    this.plan = plan;
  }

  definitionsOf(version: number): readonly StepDefinition[] {
    return [...(this.versions.get(version)?.definitions.values() ?? [])];
  }

  definition(row: StepRow): StepDefinition {
    const found = this.versions.get(row.version)?.definitions.get(row.key);
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

  attemptsOf(ordinal: number): readonly Attempt[] {
    return [...this.attempts.values()].filter((a) => a.ordinal === ordinal).sort((a, b) => a.fencing - b.fencing);
  }

  protected wire(edges: readonly BuiltEdge[]): void {
    this.edges = [...edges];
    this.children = new Map();
    for (const { from, to, regardless } of edges) {
      const list = this.children.get(from);
      if (list === undefined) this.children.set(from, [{ to, regardless }]);
      else list.push({ to, regardless });
    }
  }

  /** Writes what the statements of the store write, and nothing else. */
  protected write(changes: PlanChanges): void {
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
    for (const check of PlanStore.checks) check(this, before, changes);
  }
}

/** A plan that nothing was committed of. */
export function uncommitted(planId: PlanId, charterId: CharterId, createdMs: number): PlanRow {
  return {
    orgId: ORG,
    planId,
    charterId,
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
    createdMs,
    committedMs: null,
    deadlineMs: null,
    finishedMs: null,
  };
}
