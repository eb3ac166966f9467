// Whether a step's row can stay when another version takes over, and what becomes of the step. Two digests decide:
// its definition's, and what it really consumed. Pure. Not here: rows and edges, see succession.ts.
import type { Edge, GraphStep } from "../domain/graph.ts";
import { fateOf } from "../domain/graph/fate.ts";
import type { StepFate, StepProgress } from "../domain/graph/fate.ts";
import type { DemandId } from "../domain/id.ts";
import type { PlanState } from "../domain/plan.ts";
import type { BuiltEdge } from "../domain/plan/rows.ts";
import { has, hasEnded, hasNotBegun, STEP_FLAGS } from "../domain/step.ts";
import type { StepDefinition, StepRow } from "../domain/step.ts";

export interface JudgeInput {
  readonly planState: PlanState;
  readonly staleRule: "RERUN" | "KEEP";
  /** Keys of steps in both versions that differ as far as execution goes. */
  readonly changed: ReadonlySet<string>;
  readonly steps: readonly GraphStep[];
  readonly edges: readonly Edge[];
  /** Every edge between rows, those of dropped steps included. */
  readonly rowEdges: readonly BuiltEdge[];
}

export interface Judged {
  /** Rows that stay, by key. */
  readonly staying: ReadonlyMap<string, StepRow>;
  readonly fates: ReadonlyMap<string, StepFate>;
  readonly stale: readonly string[];
  /** By gates that are judged again: steps further up that run again, and end first. */
  readonly awaited: ReadonlyMap<string, readonly string[]>;
}

/** Judges every step of both versions, predecessors first: whether a step must run again depends on theirs. */
export function judge(
  input: JudgeInput,
  current: ReadonlyMap<string, StepRow>,
  demandIdOf: (definition: StepDefinition) => DemandId,
): Judged {
  const staying = new Map<string, StepRow>();
  const fates = new Map<string, StepFate>();
  const stale: string[] = [];
  /** Steps that run again, and whatever comes after them. */
  const anew = new Set<string>();
  const awaited = new Map<string, readonly string[]>();
  const into = new Map<string, Edge[]>();
  for (const edge of input.edges) {
    const list = into.get(edge.to);
    if (list === undefined) into.set(edge.to, [edge]);
    else list.push(edge);
  }
  const wired = new Set(input.rowEdges.map(({ from, to }) => `${String(from)}/${String(to)}`));
  const steps = [...input.steps].sort((a, b) => a.level - b.level);
  for (const { definition } of steps) {
    const { key } = definition;
    const row = current.get(key);
    const parents = into.get(key) ?? [];
    if (parents.some(({ from }) => anew.has(from) || !staying.has(from))) anew.add(key);
    if (row === undefined) {
      fates.set(key, fateOf("ADDED", undefined));
      continue;
    }
    const changed = input.changed.has(key);
    // What it let pass is not what there will be, however the rest of the plan takes it.
    if (!changed && definition.kind === "gate" && isDoneOrRuns(row) && anew.has(key)) {
      stale.push(key);
      fates.set(key, fateOf("CHANGED", progressOf(row)));
      awaited.set(key, renewedAbove(key, into, anew, staying));
      continue;
    }
    if (!changed && consumesAnew(row, parents, staying, wired)) {
      stale.push(key);
      if (input.staleRule === "KEEP") {
        staying.set(key, row);
        fates.set(key, fateOf("SAME", progressOf(row)));
        continue;
      }
      fates.set(key, fateOf("CHANGED", progressOf(row)));
      continue;
    }
    if (changed) {
      fates.set(key, fateOf("CHANGED", progressOf(row)));
    } else if (mustBeReplaced(row, parents, staying, input.planState === "FAILED", demandIdOf(definition))) {
      fates.set(key, hasNotBegun(row.state) ? "KEPT" : "RERUN");
    } else {
      staying.set(key, row);
      fates.set(key, fateOf("SAME", progressOf(row)));
    }
  }
  for (const row of current.values()) if (!fates.has(row.key)) fates.set(row.key, fateOf("REMOVED", progressOf(row)));
  return { staying, fates, stale, awaited };
}

/** The nearest steps on each way up that run again, those right above it left out: a graph's edge leads from these. */
function renewedAbove(
  key: string,
  into: ReadonlyMap<string, readonly Edge[]>,
  anew: ReadonlySet<string>,
  staying: ReadonlyMap<string, StepRow>,
): readonly string[] {
  const found: string[] = [];
  const seen = new Set((into.get(key) ?? []).map(({ from }) => from));
  for (const above of seen) {
    if (!anew.has(above) || !staying.has(above)) continue;
    for (const { from } of into.get(above) ?? []) {
      if (seen.has(from)) continue;
      seen.add(from);
      if (!staying.has(from)) found.push(from);
    }
  }
  return found;
}

/** Done or under way, and a step whose outputs or artifacts it consumed runs again, or is another one now. */
function consumesAnew(
  row: StepRow,
  parents: readonly Edge[],
  staying: ReadonlyMap<string, StepRow>,
  wired: ReadonlySet<string>,
): boolean {
  if (!isDoneOrRuns(row)) return false;
  return parents.some((edge) => {
    if (edge.kind === "EXPLICIT") return false;
    const parent = staying.get(edge.from);
    return parent === undefined || !wired.has(`${String(parent.ordinal)}/${String(row.ordinal)}`);
  });
}

function isDoneOrRuns({ state }: StepRow): boolean {
  return state === "SUCCEEDED" || state === "LEASED";
}

/** An unchanged step whose row cannot serve any longer. */
function mustBeReplaced(
  row: StepRow,
  parents: readonly Edge[],
  staying: ReadonlyMap<string, StepRow>,
  planFailed: boolean,
  demandId: DemandId,
): boolean {
  const renewedBefore = parents.some((edge) => !staying.has(edge.from));
  switch (row.state) {
    case "SUCCEEDED":
    case "LEASED":
    case "STOPPING":
      return false;
    case "PENDING":
      return row.demandId !== demandId;
    case "WAITING":
    case "AWAITING_APPROVAL":
    case "READY":
    case "BACKING_OFF":
      // It waited for nothing any more; if it must wait again, its row starts anew.
      return row.demandId !== demandId || parents.some((edge) => !isEnded(staying.get(edge.from)));
    case "SKIPPED":
      return renewedBefore;
    case "FAILED":
    case "REFUSED":
      return planFailed || renewedBefore;
    case "CANCELLED":
    case "COMPENSATING":
    case "COMPENSATED":
    case "COMPENSATION_FAILED":
      return true;
  }
}

function isEnded(row: StepRow | undefined): boolean {
  return row !== undefined && hasEnded(row.state);
}

export function progressOf(row: StepRow): StepProgress {
  return {
    state: row.state,
    undoing: row.undoing,
    compensable: has(row.flags, STEP_FLAGS.COMPENSABLE),
    isGate: has(row.flags, STEP_FLAGS.GATE),
  };
}
