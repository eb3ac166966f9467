// Rows of a graph version's steps: what commit and re-plan write. Not here: activating them, see control.ts.
import type { Edge, GraphStep } from "../graph.ts";
import type { DemandId, PlanId } from "../id.ts";
import { payloadText } from "../payload.ts";
import { STEP_FLAGS } from "../step.ts";
import type { StepDefinition, StepRow } from "../step.ts";
import { digestOfText } from "../canonical.ts";
import { orderKeyAt } from "./queue.ts";

export interface BuiltStep {
  readonly row: StepRow;
  /** Input when nothing is to be resolved; null when DYNAMIC. */
  readonly input: { readonly text: string | null; readonly effectiveDigest: string } | null;
}
export interface BuiltEdge {
  readonly from: number;
  readonly to: number;
  readonly regardless: boolean;
}

export interface RowOptions {
  readonly planId: PlanId;
  readonly version: number;
  readonly firstOrdinal: number;
  readonly nowMs: number;
  readonly demandIdOf: (definition: StepDefinition) => DemandId;
  /** Rows that stay, by key: edges from them are made to the new rows; `allows` says that the edge is satisfied already, `doomed` that it never will be. */
  readonly staying: ReadonlyMap<string, { readonly ordinal: number; readonly ended: boolean }>;
  /** Rows under the same keys that still stop, or are to be undone first: the new ones wait for them. */
  readonly predecessors: ReadonlyMap<string, readonly number[]>;
  /** Whether ready rows go into the ready set (the plan is active and not suspended). */
  readonly open: boolean;
  /** When the plan was committed; null in its first commit. */
  readonly committedMs: number | null;
}

/**
 * Builds rows for new steps, in the given order. Steps that wait for nothing are READY at once; those that are DYNAMIC or
 * need approval stay PENDING and are named in `arrivals`. Edges from ended staying rows are counted as waiting and named in
 * `settled`, so that the activation follows them with the rules of every other end.
 */
export function buildRows(
  steps: readonly GraphStep[],
  edges: readonly Edge[],
  options: RowOptions,
): {
  readonly steps: readonly BuiltStep[];
  readonly edges: readonly BuiltEdge[];
  readonly arrivals: readonly number[];
  readonly settled: readonly number[];
} {
  const ordinalOf = new Map<string, number>();
  steps.forEach((step, i) => ordinalOf.set(step.definition.key, options.firstOrdinal + i));
  const built: BuiltEdge[] = [];
  const waiting = new Map<number, number>();
  const settled = new Set<number>();
  const addEdge = (from: number, to: number, regardless: boolean): void => {
    built.push({ from, to, regardless });
    waiting.set(to, (waiting.get(to) ?? 0) + 1);
  };
  for (const edge of edges) {
    const to = ordinalOf.get(edge.to);
    if (to === undefined) continue;
    const staying = options.staying.get(edge.from);
    const from = ordinalOf.get(edge.from) ?? staying?.ordinal;
    if (from === undefined) throw new Error(`edge from unknown step ${edge.from}`);
    if (staying?.ended === true && !ordinalOf.has(edge.from)) settled.add(from);
    addEdge(from, to, edge.regardless);
  }
  for (const [key, before] of options.predecessors) {
    const to = ordinalOf.get(key);
    if (to !== undefined) for (const ordinal of before) addEdge(ordinal, to, true);
  }
  const arrivals: number[] = [];
  const rows = steps.map((step) => {
    const ordinal = ordinalOf.get(step.definition.key) ?? 0;
    const flags = flagsOf(step.definition);
    const waitingOn = waiting.get(ordinal) ?? 0;
    const special = (flags & (STEP_FLAGS.DYNAMIC | STEP_FLAGS.REQUIRES_APPROVAL)) !== 0;
    if (waitingOn === 0 && special) arrivals.push(ordinal);
    const ready = waitingOn === 0 && !special;
    return {
      row: rowOf(step, ordinal, waitingOn, ready, flags, options),
      input: (flags & STEP_FLAGS.DYNAMIC) !== 0 ? null : inputOf(step.definition),
    };
  });
  return { steps: rows, edges: built, arrivals, settled: [...settled] };
}

function rowOf(
  step: GraphStep,
  ordinal: number,
  waitingOn: number,
  ready: boolean,
  flags: number,
  options: RowOptions,
): StepRow {
  const { definition } = step;
  // Higher priority and less slack go first; one unit of priority is worth a second of waiting.
  const boostMs = definition.priority * 1_000 + (step.critical ? 1 : 0);
  return {
    planId: options.planId,
    ordinal,
    key: definition.key,
    version: options.version,
    current: true,
    state: ready ? "READY" : "PENDING",
    undoing: false,
    heldBack: false,
    waitingOn,
    orderKey: ready && options.open ? orderKeyAt(options, options.nowMs, boostMs, ordinal) : null,
    demandId: options.demandIdOf(definition),
    boostMs,
    flags,
    timeoutMs: definition.timeoutMs,
    hold: definition.hold,
    attempt: 0,
    failures: 0,
    fencing: 0,
    executorId: null,
    sessionId: null,
    leaseUntilMs: null,
    deadlineMs: null,
    notBeforeMs: null,
    readyMs: ready ? options.nowMs : null,
    startedMs: null,
    finishedMs: null,
  };
}

export function flagsOf(definition: StepDefinition): number {
  let flags = 0;
  const template = definition.input?.kind === "json" && definition.input.text.includes("${{");
  if (template || definition.condition !== "" || definition.inputSchema !== "") flags |= STEP_FLAGS.DYNAMIC;
  if (definition.outputSchema !== "") flags |= STEP_FLAGS.OUTPUT_SCHEMA;
  if (definition.requiresApproval) flags |= STEP_FLAGS.REQUIRES_APPROVAL;
  if (definition.compensation !== null) flags |= STEP_FLAGS.COMPENSABLE;
  if (definition.onFailure === "CARRY_ON") flags |= STEP_FLAGS.CARRY_ON;
  if (definition.kind === "gate") flags |= STEP_FLAGS.GATE;
  return flags;
}

function inputOf(definition: StepDefinition): { readonly text: string | null; readonly effectiveDigest: string } {
  const text = payloadText(definition.input);
  return { text, effectiveDigest: digestOfText(`${text ?? ""}\n`) };
}
