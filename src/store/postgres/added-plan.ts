// What a transaction adds to one plan, held back until something else is sent: a goal with its plan, version and rows, or the rows
// that a commit brings to a plan that was there. Each row is then written once, in its last form, all of them by one statement,
// with what the decision changed besides. Not here: graphs whose rows go in slices (bulk.ts).
import type { AnalysedEdge, GraphState, GraphStep, GraphVersion } from "../../domain/graph.ts";
import type { Goal, GoalState } from "../../domain/goal.ts";
import type { PlanId, PlanRef } from "../../domain/id.ts";
import type { PlanRow } from "../../domain/plan.ts";
import { emptySlice } from "../../domain/plan/slice.ts";
import type { PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import type { Run } from "../../domain/run.ts";
import type { StepRow } from "../../domain/step.ts";
import type { NewEdge, NewStep } from "../ports/plans.ts";
import { ROWS } from "./bulk.ts";
import { termsOf } from "./goal-rows.ts";
import { ADD_GRAPH_EDGES, ADD_GRAPH_STEPS, ADD_VERSION, ofVersion } from "./graph-rows.ts";
import { placedArrays, placedUpdate, placedValues, placeIds, unite } from "./placed.ts";
import type { FilledStatement, PlacedStatement } from "./placed.ts";
import { SMALL_PLAN } from "./plan-cache.ts";
import { ADD_EDGES, ADD_GOAL, ADD_INPUTS, ADD_PLAN, ADD_RUN, ADD_STEPS, ADD_TERMS, inputsOf } from "./plan-inserts.ts";
import type { AddedInput } from "./plan-inserts.ts";
import { addChildren } from "./slice.ts";
import type { Session } from "./transaction.ts";
import { sendChanges } from "./write-changes.ts";

interface Held {
  readonly of: PlanRef;
  /** Null when goal and plan were there before. */
  own: { goal: Goal; readonly plan: PlanRow } | null;
  run: Run | null;
  version: GraphVersion | null;
  steps: readonly GraphStep[];
  edges: readonly AnalysedEdge[];
  /** Of versions that were there before. */
  states: readonly VersionState[];
  rows: readonly StepRow[];
  inputs: readonly AddedInput[];
  rowEdges: readonly NewEdge[];
}

interface VersionState {
  readonly version: number;
  readonly state: GraphState;
}

const EMPTY = { run: null, version: null, steps: [], edges: [], states: [], rows: [], inputs: [], rowEdges: [] };
const SET_STATES = placedUpdate<VersionState>(
  "graph_versions",
  [{ name: "version", type: "int", value: (it) => it.version }],
  [{ name: "state", type: "text", value: (it) => it.state }],
);

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
    this.#held = { ...EMPTY, of: plan, own: { goal, plan } };
  }

  setGoal(planId: PlanId, state: GoalState, finishedMs: number | null): boolean {
    const own = this.#of(planId)?.own;
    if (own === undefined || own === null) return false;
    own.goal = { ...own.goal, state, finishedMs };
    return true;
  }

  addVersion(version: GraphVersion): boolean {
    const held = this.#of(version.planId);
    if (held === undefined || held.own === null || held.version !== null) return false;
    held.version = version;
    return true;
  }

  setVersion(planId: PlanId, version: number, state: GraphState): boolean {
    const held = this.#of(planId);
    if (held === undefined) return false;
    if (held.version?.version === version) held.version = { ...held.version, state };
    else if (held.own === null && held.states.every((other) => other.version !== version))
      held.states = [...held.states, { version, state }];
    else return false;
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

  addSteps(of: PlanRef, steps: readonly NewStep[], edges: readonly NewEdge[]): boolean {
    this.changes(of.planId);
    const size = steps.length + edges.length;
    if (size === 0) return true;
    if (size > ROWS) return false;
    this.#held ??= { ...EMPTY, of, own: null };
    const held = this.#of(of.planId);
    if (held === undefined || held.rows.length > 0) return false;
    held.rows = steps.map(({ row }) => row);
    held.inputs = inputsOf(steps);
    held.rowEdges = edges;
    return true;
  }

  /** The run of a plan that is committed for the first time. */
  addRun(of: PlanRef, run: Run): void {
    if (this.#of(of.planId) === undefined) this.flush();
    this.#held ??= { ...EMPTY, of, own: null };
    this.#held.run = run;
  }

  /** Writes what is held in its last form, with the rest of what a decision changed. */
  async save(changes: PlanChanges, nowMs: () => Promise<number>): Promise<boolean> {
    this.changes(changes.plan.planId);
    if (this.#of(changes.plan.planId) === undefined) return false;
    const atMs = await nowMs();
    const held = this.#of(changes.plan.planId);
    if (held === undefined) return false;
    const rows = new Map(held.rows.map((row) => [row.ordinal, row]));
    const isHeld = ({ ordinal }: { readonly ordinal: number }): boolean => rows.has(ordinal);
    const rest = {
      ...changes,
      steps: changes.steps.filter((row) => !isHeld(row)),
      waits: changes.waits.filter((wait) => !isHeld(wait)),
    };
    // Of a plan that is new all rows are held, or were written before.
    if (held.own !== null && rest.steps.length + rest.waits.length > 0) return false;
    for (const row of changes.steps.filter(isHeld)) rows.set(row.ordinal, row);
    for (const { ordinal, waitingOn } of changes.waits) {
      const row = rows.get(ordinal);
      if (row !== undefined) rows.set(ordinal, { ...row, waitingOn });
    }
    this.#held = undefined;
    const { plan, goal } = changes;
    const own = held.own === null ? null : { goal: { ...held.own.goal, ...goal }, plan };
    const last = { ...held, own, rows: [...rows.values()] };
    const later = async (text: string, parameters: unknown[]): Promise<void> => this.#session.send(text, parameters);
    const added = { statements: insertsOf(last, plan), withPlan: own !== null };
    await Promise.all(sendChanges(later, [rest], { added, nowMs: atMs }));
    // Others may wait for long, and would drive out plans under way. A commit that is not a plan's first adds to rows that are not known.
    const whole = rows.size === plan.nextOrdinal - 1;
    if (whole && plan.nextOrdinal <= SMALL_PLAN + 1 && plan.stepsRunning > 0) this.#saved = sliceOf(plan, last);
    return true;
  }

  /** Sends what is held. */
  flush(): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    const { text, parameters } = unite(insertsOf(held, held.of));
    this.#session.send(text, parameters);
  }

  /** A small plan of which something runs, as it was saved; of interest once the transaction is committed. */
  get saved(): PlanSlice | undefined {
    return this.#saved;
  }

  #of(planId: PlanId): Held | undefined {
    return this.#held?.of.planId === planId ? this.#held : undefined;
  }
}

function insertsOf(held: Held, plan: PlanRef): readonly FilledStatement[] {
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
  const { own } = held;
  return [
    ...(own === null
      ? many(SET_STATES, held.states)
      : [...one(ADD_GOAL, own.goal), ...one(ADD_PLAN, own.plan), ...many(ADD_TERMS, termsOf(own.goal.spec))]),
    ...one(ADD_RUN, held.run),
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
