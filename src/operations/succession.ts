// What becomes of each row when a graph version takes the active one's place: which stay, which are replaced, dropped or
// rewired, and the rows and edges that are new. Pure. Not here: carrying it out, see commit-version.ts.
import { demandOf } from "../domain/demand.ts";
import type { Demand } from "../domain/executor.ts";
import type { Edge, GraphStep } from "../domain/graph.ts";
import type { StepFate } from "../domain/graph/fate.ts";
import type { OrgId, PlanId } from "../domain/id.ts";
import { buildRows } from "../domain/plan/rows.ts";
import type { BuiltEdge, BuiltStep } from "../domain/plan/rows.ts";
import { has, hasEnded, hasNotBegun, isOver, STEP_FLAGS } from "../domain/step.ts";
import type { StepDefinition, StepRow } from "../domain/step.ts";
import { judge } from "./step-fate.ts";
import type { JudgeInput } from "./step-fate.ts";

/** Plain values only: large graphs are worked out in another thread. */
export interface SuccessionInput extends JudgeInput {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly version: number;
  readonly nextOrdinal: number;
  /** The trust floor that holds from now on. */
  readonly minTrust: number;
  readonly nowMs: number;
  /** Of the plan; null in its first commit. */
  readonly committedMs: number | null;
  /** Every row of the plan, those of dropped steps included. */
  readonly rows: readonly StepRow[];
  /** New rows wait until the effects of older ones under their keys are undone. */
  readonly undoFirst?: boolean;
}

export interface Succession {
  readonly added: readonly BuiltStep[];
  readonly addedEdges: readonly BuiltEdge[];
  readonly removedEdges: readonly BuiltEdge[];
  readonly arrivals: readonly number[];
  readonly settled: readonly number[];
  readonly removed: readonly number[];
  /** Rows whose effects must be undone before their successors run. */
  readonly undoFirst: readonly number[];
  readonly rewired: readonly { readonly ordinal: number; readonly waitingOn: number }[];
  readonly readyAtOnce: number;
  readonly demands: readonly Demand[];
  /** By key, of both versions. */
  readonly fates: ReadonlyMap<string, StepFate>;
  /** Steps that are done, or under way, and consume what a rerun step will produce anew. */
  readonly stale: readonly string[];
}

export function succeed(input: SuccessionInput): Succession {
  const current = new Map(input.rows.filter((row) => row.current).map((row) => [row.key, row]));
  const demandFor = demandsOf(input);
  const judged = judge(input, current, demandFor.idOf);
  const byOrdinal = new Map(input.rows.map((row) => [row.ordinal, row]));
  const removed = [...current.values()].filter((row) => !judged.staying.has(row.key));
  const fresh = input.steps.filter((step) => !judged.staying.has(step.definition.key));
  const before = predecessorsOf(fresh, input.rows, input.undoFirst ?? false);
  const awaited = [...judged.awaited].flatMap(([to, keys]) =>
    keys.map((from): Edge => ({ from, to, kind: "EXPLICIT", regardless: false })),
  );
  const built = buildRows(fresh, awaited.length === 0 ? input.edges : [...input.edges, ...awaited], {
    planId: input.planId,
    version: input.version,
    firstOrdinal: input.nextOrdinal,
    nowMs: input.nowMs,
    demandIdOf: demandFor.idOf,
    staying: new Map(
      [...judged.staying].map(([key, row]) => [key, { ordinal: row.ordinal, ended: hasEnded(row.state) }]),
    ),
    predecessors: new Map([...before].map(([key, rows]) => [key, rows.map((row) => row.ordinal)])),
    open: input.planState !== "SUSPENDED",
    committedMs: input.committedMs,
  });
  const held = numberedOn(heldOver(built.steps, current), input.rows);
  const wiring = rewire(
    input,
    judged.staying,
    byOrdinal,
    new Map(built.steps.map(({ row }) => [row.key, row.ordinal])),
    built.settled,
  );
  return {
    added: held,
    addedEdges: [...built.edges, ...wiring.added],
    removedEdges: wiring.removed,
    arrivals: built.arrivals,
    settled: wiring.settled,
    removed: removed.map((row) => row.ordinal),
    undoFirst:
      input.undoFirst === true
        ? [...before.values()].flat().flatMap((row) => (leavesEffect(row) ? [row.ordinal] : []))
        : [],
    rewired: wiring.rewired,
    readyAtOnce: held.filter(({ row }) => row.state === "READY").length,
    demands: demandFor.all(fresh),
    fates: judged.fates,
    stale: judged.stale,
  };
}

interface DemandsOf {
  readonly idOf: (definition: StepDefinition) => Demand["demandId"];
  readonly all: (steps: readonly GraphStep[]) => readonly Demand[];
}

/** Demand classes are few where steps are many: each is hashed once. */
function demandsOf({ orgId, minTrust }: SuccessionInput): DemandsOf {
  const known = new Map<string, Demand>();
  const of = (capability: string, labels: StepDefinition["executorLabels"], trust: number): Demand => {
    const text = JSON.stringify([capability, Object.entries(labels), trust]);
    let demand = known.get(text);
    if (demand === undefined) {
      demand = demandOf(orgId, capability, labels, trust);
      known.set(text, demand);
    }
    return demand;
  };
  // Maestro trusts itself.
  const work = (d: StepDefinition): Demand =>
    of(d.capability, d.executorLabels, d.kind === "gate" ? 0 : Math.max(d.minTrust, minTrust));
  return {
    idOf: (definition) => work(definition).demandId,
    all: (steps) => {
      const wanted = new Map<string, Demand>();
      for (const { definition } of steps) {
        const demands = [
          work(definition),
          ...(definition.compensation === null ? [] : [of(definition.compensation.capability, {}, minTrust)]),
        ];
        for (const demand of demands) wanted.set(demand.demandId, demand);
      }
      return [...wanted.values()];
    },
  };
}

/** Rows under the keys of new rows that the new ones wait for: their attempts still run, or their effects are to be undone first. */
function predecessorsOf(
  fresh: readonly GraphStep[],
  rows: readonly StepRow[],
  undoFirst: boolean,
): ReadonlyMap<string, readonly StepRow[]> {
  const keys = new Set(fresh.map((step) => step.definition.key));
  const found = new Map<string, StepRow[]>();
  for (const row of rows) {
    if (!keys.has(row.key)) continue;
    const stops = !row.undoing && (row.state === "LEASED" || row.state === "STOPPING");
    const isAwaited = has(row.flags, STEP_FLAGS.UNDO_FIRST) && !isOver(row);
    if (!stops && !isAwaited && !(undoFirst && leavesEffect(row))) continue;
    const list = found.get(row.key);
    if (list === undefined) found.set(row.key, [row]);
    else list.push(row);
  }
  return found;
}

/** Once it has no place any more, there is or may be an effect to undo. What could not be undone before waits for nobody's rerun. */
function leavesEffect(row: StepRow): boolean {
  if (!has(row.flags, STEP_FLAGS.COMPENSABLE)) return false;
  if (row.undoing) return row.state === "COMPENSATING" || row.state === "LEASED" || row.state === "BACKING_OFF";
  return row.state === "SUCCEEDED" || row.state === "LEASED" || row.state === "STOPPING";
}

/** A step that an operator holds stays held when its row is replaced. */
function heldOver(built: readonly BuiltStep[], current: ReadonlyMap<string, StepRow>): readonly BuiltStep[] {
  return built.map((step) => {
    const before = current.get(step.row.key);
    if (before?.heldBack !== true || !hasNotBegun(before.state)) return step;
    const waiting = step.row.waitingOn > 0 ? {} : ({ state: "WAITING", orderKey: null, readyMs: null } as const);
    return { ...step, row: { ...step.row, heldBack: true, ...waiting } };
  });
}

/** The fencing numbers of a step go on over its rows: to whoever keeps (step, fencing) apart from the rest, they only grow. */
function numberedOn(built: readonly BuiltStep[], rows: readonly StepRow[]): readonly BuiltStep[] {
  const last = new Map<string, number>();
  for (const { key, fencing } of rows) last.set(key, Math.max(fencing, last.get(key) ?? 0));
  return built.map((step) => ({ ...step, row: { ...step.row, fencing: last.get(step.row.key) ?? 0 } }));
}

interface Wiring {
  readonly added: readonly BuiltEdge[];
  readonly removed: readonly BuiltEdge[];
  readonly rewired: readonly { readonly ordinal: number; readonly waitingOn: number }[];
  readonly settled: readonly number[];
}

/** Edges into rows that stay, and how many of them each pending one waits for. */
function rewire(
  input: SuccessionInput,
  staying: ReadonlyMap<string, StepRow>,
  rows: ReadonlyMap<number, StepRow>,
  fresh: ReadonlyMap<string, number>,
  settledByNew: readonly number[],
): Wiring {
  const wanted = new Map<number, Map<number, BuiltEdge>>();
  for (const edge of input.edges) {
    const child = staying.get(edge.to);
    const from = staying.get(edge.from)?.ordinal ?? fresh.get(edge.from);
    if (child === undefined || from === undefined) continue;
    const into = wanted.get(child.ordinal) ?? new Map<number, BuiltEdge>();
    into.set(from, { from, to: child.ordinal, regardless: edge.regardless });
    wanted.set(child.ordinal, into);
  }
  const stayingOrdinals = new Set([...staying.values()].map((row) => row.ordinal));
  const there = new Map<number, Set<number>>();
  const removed: BuiltEdge[] = [];
  const predecessors = new Map<number, number>();
  for (const edge of input.rowEdges) {
    if (!stayingOrdinals.has(edge.to)) continue;
    const parent = rows.get(edge.from);
    if (wanted.get(edge.to)?.get(edge.from)?.regardless === edge.regardless) {
      there.set(edge.to, (there.get(edge.to) ?? new Set()).add(edge.from));
    } else if (parent !== undefined && !parent.current && parent.key === rows.get(edge.to)?.key) {
      if (!isOver(parent)) predecessors.set(edge.to, (predecessors.get(edge.to) ?? 0) + 1);
    } else {
      removed.push(edge);
    }
  }
  const added: BuiltEdge[] = [];
  const settled = new Set(settledByNew);
  for (const [to, edges] of wanted) {
    for (const edge of edges.values()) {
      if (there.get(to)?.has(edge.from) === true) continue;
      added.push(edge);
      const parent = rows.get(edge.from);
      if (parent !== undefined && isOver(parent) && rows.get(to)?.state === "PENDING") settled.add(edge.from);
    }
  }
  // Ends of settled rows are followed again, so every pending child of them counts them as unfinished again.
  const touched = new Set<number>([...added, ...removed].map((edge) => edge.to));
  const rewired: { ordinal: number; waitingOn: number }[] = [];
  for (const row of staying.values()) {
    if (row.state !== "PENDING") continue;
    let waitingOn = predecessors.get(row.ordinal) ?? 0;
    let followed = false;
    for (const { from } of wanted.get(row.ordinal)?.values() ?? []) {
      const parent = rows.get(from);
      if (settled.has(from)) followed = true;
      if (parent === undefined || !isOver(parent) || settled.has(from)) waitingOn += 1;
    }
    if (touched.has(row.ordinal) || followed) rewired.push({ ordinal: row.ordinal, waitingOn });
  }
  return { added, removed, rewired, settled: [...settled] };
}
