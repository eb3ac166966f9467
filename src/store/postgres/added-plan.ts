// The goal that a transaction adds, with its plan, version and rows, held back until something else is sent: most are refined,
// committed and handed over in one transaction, and each row is then written once, in its last form, all of them by one
// statement. Not here: goals that were there before, and graphs whose rows go in slices (bulk.ts).
import type { AnalysedEdge, GraphState, GraphStep, GraphVersion } from "../../domain/graph.ts";
import type { Goal, GoalState } from "../../domain/goal.ts";
import type { PlanId } from "../../domain/id.ts";
import type { PlanRow } from "../../domain/plan.ts";
import { emptySlice } from "../../domain/plan/slice.ts";
import type { PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import type { StepRow } from "../../domain/step.ts";
import type { NewEdge, NewStep } from "../ports/plans.ts";
import { ROWS } from "./bulk.ts";
import { termsOf } from "./goal-rows.ts";
import { ADD_GRAPH_EDGES, ADD_GRAPH_STEPS, ADD_VERSION, ofVersion } from "./graph-rows.ts";
import { placedArrays, placedValues, placeIds, unite } from "./placed.ts";
import type { FilledStatement, PlacedStatement } from "./placed.ts";
import { SMALL_PLAN } from "./plan-cache.ts";
import { ADD_EDGES, ADD_GOAL, ADD_INPUTS, ADD_PLAN, ADD_STEPS, ADD_TERMS, inputsOf } from "./plan-inserts.ts";
import type { AddedInput } from "./plan-inserts.ts";
import { addChildren } from "./slice.ts";
import type { Session } from "./transaction.ts";
import { sendChanges } from "./write-changes.ts";

interface Held {
  goal: Goal;
  readonly plan: PlanRow;
  version: GraphVersion | null;
  steps: readonly GraphStep[];
  edges: readonly AnalysedEdge[];
  rows: readonly StepRow[];
  inputs: readonly AddedInput[];
  rowEdges: readonly NewEdge[];
}

/** Each change tells whether it went into what is held; otherwise whoever asks writes it, behind what was held. */
export class AddedPlan {
  readonly #session: Session;
  #held: Held | undefined;
  #saved: PlanSlice | undefined;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The session as everybody else in the transaction has it: whatever they send goes behind what is held. */
  behind(): Session {
    const session = this.#session;
    const first = (): Session => {
      this.flush();
      return session;
    };
    return {
      run: async (text, parameters) => first().run(text, parameters),
      runOnce: async (text, parameters) => first().runOnce(text, parameters),
      send: (text, parameters) => {
        first().send(text, parameters);
      },
      get db() {
        return first().db;
      },
    };
  }

  begin(goal: Goal, plan: PlanRow): void {
    this.flush();
    this.#held = { goal, plan, version: null, steps: [], edges: [], rows: [], inputs: [], rowEdges: [] };
  }

  setGoal(planId: PlanId, state: GoalState, finishedMs: number | null): boolean {
    const held = this.#of(planId);
    if (held === undefined) return false;
    held.goal = { ...held.goal, state, finishedMs };
    return true;
  }

  addVersion(version: GraphVersion): boolean {
    const held = this.#of(version.planId);
    if (held?.version !== null) return false;
    held.version = version;
    return true;
  }

  setVersion(planId: PlanId, version: number, state: GraphState): boolean {
    const held = this.#of(planId);
    if (held?.version?.version !== version) return false;
    held.version = { ...held.version, state };
    return true;
  }

  addGraph(planId: PlanId, version: number, steps: readonly GraphStep[], edges: readonly AnalysedEdge[]): boolean {
    const held = this.#of(planId);
    if (held?.version?.version !== version || held.steps.length > 0 || steps.length + edges.length > ROWS) return false;
    held.steps = steps;
    held.edges = edges;
    return true;
  }

  /** Rows of a plan are about to be written by others. */
  changes(planId: PlanId): void {
    if (this.#saved?.plan.planId === planId) this.#saved = undefined;
  }

  addSteps(planId: PlanId, steps: readonly NewStep[], edges: readonly NewEdge[]): boolean {
    this.changes(planId);
    const held = this.#of(planId);
    if (held === undefined || held.rows.length > 0 || steps.length + edges.length > ROWS) return false;
    held.rows = steps.map(({ row }) => row);
    held.inputs = inputsOf(steps);
    held.rowEdges = edges;
    return true;
  }

  /** Writes what is held in its last form, with the rest of what a decision changed. */
  async save(changes: PlanChanges, nowMs: () => Promise<number>): Promise<boolean> {
    this.changes(changes.plan.planId);
    if (this.#of(changes.plan.planId) === undefined) return false;
    const atMs = await nowMs();
    const held = this.#of(changes.plan.planId);
    if (held === undefined) return false;
    const rows = new Map(held.rows.map((row) => [row.ordinal, row]));
    if (![...changes.steps, ...changes.waits].every(({ ordinal }) => rows.has(ordinal))) return false;
    for (const row of changes.steps) rows.set(row.ordinal, row);
    for (const { ordinal, waitingOn } of changes.waits) {
      const row = rows.get(ordinal);
      if (row !== undefined) rows.set(ordinal, { ...row, waitingOn });
    }
    this.#held = undefined;
    const last = { ...held, goal: { ...held.goal, ...changes.goal }, rows: [...rows.values()] };
    const later = async (text: string, parameters: unknown[]): Promise<void> => this.#session.send(text, parameters);
    await Promise.all(sendChanges(later, [changes], { added: insertsOf(last, changes.plan), nowMs: atMs }));
    // Others may wait for long, and would drive out plans under way.
    if (changes.plan.nextOrdinal <= SMALL_PLAN + 1 && changes.plan.stepsRunning > 0)
      this.#saved = sliceOf(changes.plan, last);
    return true;
  }

  /** Sends what is held. */
  flush(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    const { text, parameters } = unite(insertsOf(held, held.plan));
    this.#session.send(text, parameters);
  }

  /** A small plan of which something runs, as it was saved; of interest once the transaction is committed. */
  get saved(): PlanSlice | undefined {
    return this.#saved;
  }

  #of(planId: PlanId): Held | undefined {
    return this.#held?.plan.planId === planId ? this.#held : undefined;
  }
}

function insertsOf(held: Held, plan: PlanRow): readonly FilledStatement[] {
  const ids = placeIds([plan]);
  const one = <T>({ text, columns }: PlacedStatement<T>, row: T | null): FilledStatement[] =>
    row === null ? [] : [{ text, parameters: placedValues(ids, columns, row) }];
  const many = <T>({ text, columns }: PlacedStatement<T>, rows: readonly T[]): FilledStatement[] =>
    rows.length === 0
      ? []
      : [
          {
            text,
            parameters: placedArrays(
              ids,
              columns,
              rows.map((it) => ({ place: 1, it })),
            ),
          },
        ];
  const version = held.version?.version ?? 0;
  return [
    ...one(ADD_GOAL, held.goal),
    ...one(ADD_PLAN, plan),
    ...many(ADD_TERMS, termsOf(held.goal.spec)),
    ...one(ADD_VERSION, held.version),
    ...many(ADD_GRAPH_STEPS, ofVersion(version, held.steps)),
    ...many(ADD_GRAPH_EDGES, ofVersion(version, held.edges)),
    ...many(ADD_STEPS, held.rows),
    ...many(ADD_INPUTS, held.inputs),
    ...many(ADD_EDGES, held.rowEdges),
  ];
}

function sliceOf(plan: PlanRow, { rows, rowEdges }: Held): PlanSlice {
  const slice = emptySlice(plan);
  for (const row of rows) slice.steps.set(row.ordinal, row);
  addChildren(
    slice,
    rowEdges.map(({ from, to, regardless }) => ({ from_ordinal: from, to_ordinal: to, regardless })),
    slice.steps.keys(),
  );
  slice.whole = true;
  return slice;
}
