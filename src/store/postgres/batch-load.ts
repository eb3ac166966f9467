// What a batch reads before it decides: plans locked, the clock, and of each plan the rows that were asked for, or nothing when
// the cache has them. One round trip, unless somebody else changed a cached plan or one is larger than it might have been. Not
// here: what decisions ask for besides (slice.ts). Locks: plan rows in order, FOR NO KEY UPDATE, SKIP LOCKED unless the batch waits.
import { isDeepStrictEqual } from "node:util";
import type { PlanId } from "../../domain/id.ts";
import { emptySlice } from "../../domain/plan/slice.ts";
import type { PlanSlice } from "../../domain/plan/slice.ts";
import type { BatchPlan } from "../ports/batches.ts";
import type { BulkColumn } from "./columns.ts";
import { placeIds, placedArrays, placedMatch, placedSelect } from "./placed.ts";
import type { PlacedStatement } from "./placed.ts";
import { PlanCache, SMALL_PLAN } from "./plan-cache.ts";
import { PLAN_SELECT, planRowOf } from "./plan-rows.ts";
import type { RawPlan } from "./plan-rows.ts";
import { addChildren } from "./slice.ts";
import type { RawEdge } from "./slice.ts";
import { STEP_SELECT_OF_PLAN, stepRowOfValues } from "./step-rows.ts";

export interface Reader {
  /** Runs one prepared statement on the transaction's connection and gives its rows. */
  run: <Row>(text: string, parameters: readonly unknown[]) => Promise<readonly Row[]>;
  /** The same, rows as arrays: an object with thirty members for each row is a fifth of all garbage. */
  values: (text: string, parameters: readonly unknown[]) => Promise<readonly (readonly unknown[])[]>;
}

export interface Ordinal {
  readonly ordinal: number;
}

export const KEYS = "unnest($1::uuid[], $2::uuid[]) AS v(org_id, plan_id)";
const lockText = (tail: string): string =>
  // One order everywhere: by plan id. The plan is locked before anything else of it is read.
  `SELECT ${PLAN_SELECT} FROM maestro.plans p JOIN ${KEYS} USING (org_id, plan_id) ORDER BY p.plan_id FOR NO KEY UPDATE OF p ${tail}`;
const LOCK = lockText("SKIP LOCKED");
const LOCK_WAITING = lockText("");
const CLOCK = "SELECT maestro.clock_ms() AS now";

export const ORDINAL: readonly BulkColumn<Ordinal>[] = [{ name: "ordinal", type: "int", value: (row) => row.ordinal }];
const PARENT: readonly BulkColumn<Ordinal>[] = [{ name: "from_ordinal", type: "int", value: (row) => row.ordinal }];
const READS = {
  steps: placedSelect(
    `v.place, ${STEP_SELECT_OF_PLAN}`,
    ORDINAL,
    `JOIN maestro.steps s ON ${placedMatch("s", ["ordinal"])}`,
  ),
  children: placedSelect(
    `v.place, e.from_ordinal, e.regardless, ${STEP_SELECT_OF_PLAN}`,
    PARENT,
    // OFFSET 0 keeps the order: where plans are usually small, the planner would rather begin with all steps of the plan.
    `CROSS JOIN LATERAL (SELECT * FROM maestro.step_edges e WHERE ${placedMatch("e", ["from_ordinal"])} OFFSET 0) e ` +
      "JOIN maestro.steps s ON s.org_id = e.org_id AND s.plan_id = e.plan_id AND s.ordinal = e.to_ordinal",
  ),
  firstSteps: placedSelect<Ordinal>(
    `v.place, ${STEP_SELECT_OF_PLAN}`,
    [],
    `JOIN maestro.steps s ON ${placedMatch("s", [])} AND s.ordinal <= ${String(SMALL_PLAN)}`,
  ),
  firstEdges: placedSelect<Ordinal>(
    "v.place, e.from_ordinal, e.to_ordinal, e.regardless",
    [],
    `JOIN maestro.step_edges e ON ${placedMatch("e", [])} AND e.from_ordinal <= ${String(SMALL_PLAN)} AND e.to_ordinal <= ${String(SMALL_PLAN)}`,
  ),
};

/** A plan with its place among those that the statements name, counted from 1. */
interface PlacedPlan {
  readonly place: number;
  readonly plan: BatchPlan;
  /** It is read whole, as far as a small plan reaches, instead of what is asked for; decided once. */
  readonly asSmall: boolean;
}

type Values = readonly (readonly unknown[])[];

/** What was read of plans, before it is known which of them were locked. */
interface Rows {
  readonly steps: Values;
  readonly children: Values;
  readonly firstSteps: Values;
  readonly firstEdges: Values;
}

/** The slices of the plans that were locked; rows of the others are passed over. */
export async function load(
  reader: Reader,
  plans: readonly BatchPlan[],
  options: {
    /** Begins the transaction and says whose rows it may see; sent first. */ readonly begin: () => Promise<unknown>;
    readonly wait: boolean;
    readonly cache: PlanCache;
    /** For tests: reads what is cached as well, and throws where the two differ. */ readonly checkCache: boolean;
  },
): Promise<{ readonly slices: Map<PlanId, PlanSlice>; readonly nowMs: number }> {
  const { cache } = options;
  const placed = [...plans]
    .sort((a, b) => (a.planId < b.planId ? -1 : 1))
    .map((plan, i): PlacedPlan => ({ place: i + 1, plan, asSmall: maybeSmall(plan, cache) }));
  const ids = placeIds(placed.map(({ plan }) => plan));
  const unread = placed.filter(({ plan }) => cache.standing(plan.planId) !== "cached");
  const sent = [
    options.begin(),
    reader.run<RawPlan>(options.wait ? LOCK_WAITING : LOCK, [...ids]),
    reader.run<{ now: number }>(CLOCK, []),
    read(reader, ids, unread),
  ] as const;
  const settled = await Promise.allSettled(sent);
  for (const one of settled) if (one.status === "rejected") throw one.reason as Error;
  const [, locked, clock, rows] = await Promise.all(sent);
  const slices = new Map<PlanId, PlanSlice>();
  const cached: PlanSlice[] = [];
  const asked = new Set(unread.map(({ plan }) => plan.planId));
  for (const raw of locked) {
    const plan = planRowOf(raw);
    const known = asked.has(plan.planId) ? undefined : cache.sliceOf(plan);
    if (known !== undefined) cached.push(known);
    slices.set(plan.planId, known ?? emptySlice(plan));
  }
  const again: PlacedPlan[] = [];
  for (const it of placed) {
    const slice = ownSlice(slices, it.plan);
    if (slice === undefined || slice.whole) continue;
    const asSmall = it.asSmall && slice.plan.nextOrdinal <= SMALL_PLAN + 1;
    // Somebody else changed it since it was cached, or it is larger than it might have been.
    if (!asked.has(slice.plan.planId) || asSmall !== it.asSmall) again.push({ ...it, asSmall });
  }
  const anew = new Set(again.map(({ place }) => place));
  fill(
    slices,
    unread.filter(({ place }) => !anew.has(place)),
    rows,
    cache,
  );
  if (again.length > 0) fill(slices, again, await read(reader, ids, again), cache);
  if (options.checkCache) await check(reader, ids, placed, cached);
  return { slices, nowMs: clock[0]?.now ?? 0 };
}

/** The slice of a plan that was locked, for its own org only: another org may name it as well, and is told nothing of it. */
function ownSlice(slices: ReadonlyMap<PlanId, PlanSlice>, { orgId, planId }: BatchPlan): PlanSlice | undefined {
  const slice = slices.get(planId);
  return slice?.plan.orgId === orgId ? slice : undefined;
}

/** Reads small plans whole, of the others what is asked for. Statements without a row to ask for are not sent. */
async function read(
  { values }: Pick<Reader, "values">,
  ids: readonly [string, string],
  plans: readonly PlacedPlan[],
): Promise<Rows> {
  const firsts = plans.filter(({ asSmall }) => asSmall).map(({ place }) => ({ place, it: { ordinal: 0 } }));
  const rowsOf = (of: (plan: BatchPlan) => readonly number[]): readonly { place: number; it: Ordinal }[] =>
    plans.flatMap(({ place, plan, asSmall }) =>
      asSmall ? [] : of(plan).map((ordinal) => ({ place, it: { ordinal } })),
    );
  const ask = async (
    { text, columns }: PlacedStatement<Ordinal>,
    rows: readonly { place: number; it: Ordinal }[],
  ): Promise<Values> => (rows.length === 0 ? [] : values(text, placedArrays(ids, columns, rows)));
  const sent = [
    ask(
      READS.steps,
      rowsOf((p) => p.ordinals),
    ),
    ask(
      READS.children,
      rowsOf((p) => p.childrenOf),
    ),
    ask(READS.firstSteps, firsts),
    ask(READS.firstEdges, firsts),
  ] as const;
  await Promise.allSettled(sent);
  const [steps, children, firstSteps, firstEdges] = await Promise.all(sent);
  return { steps, children, firstSteps, firstEdges };
}

/**
 * Whether a plan is read whole: several of its steps move at once, so others will soon. Plans that are touched a step at a time,
 * thousands of them in turn, would be read whole each time and be forgotten before the next.
 */
function maybeSmall({ planId, ordinals }: BatchPlan, cache: PlanCache): boolean {
  return (
    ordinals.length > 1 && cache.standing(planId) !== "large" && ordinals.every((ordinal) => ordinal <= SMALL_PLAN)
  );
}

/** Puts rows into the slices of their plans, and what is whole into the cache. */
function fill(
  slices: ReadonlyMap<PlanId, PlanSlice>,
  plans: readonly PlacedPlan[],
  rows: Rows,
  cache: PlanCache,
): void {
  const at = new Map(plans.map(({ place, plan }) => [place, ownSlice(slices, plan)]));
  const edges = new Map<PlanSlice, RawEdge[]>();
  const addStep = (slice: PlanSlice, row: readonly unknown[], from: number): void => {
    const ordinal = row[from] as number;
    if (!slice.steps.has(ordinal)) slice.steps.set(ordinal, stepRowOfValues(row, from, slice.plan.planId));
  };
  const addEdge = (slice: PlanSlice, from: unknown, to: unknown, regardless: unknown): void => {
    const list = edges.get(slice) ?? [];
    list.push({ from_ordinal: from as number, to_ordinal: to as number, regardless: regardless as boolean });
    edges.set(slice, list);
  };
  for (const row of [rows.steps, rows.firstSteps].flat()) {
    const slice = at.get(row[0] as number);
    if (slice !== undefined) addStep(slice, row, 1);
  }
  for (const row of rows.children) {
    const slice = at.get(row[0] as number);
    if (slice === undefined) continue;
    addStep(slice, row, 3);
    addEdge(slice, row[1], row[3], row[2]);
  }
  for (const row of rows.firstEdges) {
    const slice = at.get(row[0] as number);
    if (slice !== undefined) addEdge(slice, row[1], row[2], row[3]);
  }
  for (const { plan, asSmall } of plans) {
    const slice = ownSlice(slices, plan);
    if (slice === undefined) continue;
    addChildren(slice, edges.get(slice) ?? [], asSmall ? slice.steps.keys() : plan.childrenOf);
    slice.whole = asSmall;
    if (asSmall) cache.keep(slice);
    else if (slice.plan.nextOrdinal > SMALL_PLAN + 1) cache.noteLarge(plan.planId);
  }
}

async function check(
  reader: Reader,
  ids: readonly [string, string],
  placed: readonly PlacedPlan[],
  cached: readonly PlanSlice[],
): Promise<void> {
  if (cached.length === 0) return;
  const truth = new Map(cached.map(({ plan }) => [plan.planId, emptySlice(plan)]));
  const plans = placed.filter(({ plan }) => truth.has(plan.planId)).map((it) => ({ ...it, asSmall: true }));
  fill(truth, plans, await read(reader, ids, plans), new PlanCache());
  for (const { plan, steps, children } of cached) {
    const rows = truth.get(plan.planId);
    if (
      rows === undefined ||
      !isDeepStrictEqual(rows.steps, steps) ||
      !isDeepStrictEqual(sorted(rows.children), sorted(children))
    )
      throw new Error(`the cached rows of plan ${plan.planId} are not those of the store`);
  }
}

function sorted(children: PlanSlice["children"]): unknown {
  return [...children].sort(([a], [b]) => a - b).map(([from, list]) => [from, [...list].sort((a, b) => a.to - b.to)]);
}
