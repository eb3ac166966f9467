// The batch: lock, load, decide, write once, commit; two round trips unless a decision asks for more. Not here: what is
// decided, and which items make a batch (dispatch/). Locks: plan rows in order, FOR NO KEY UPDATE SKIP LOCKED.
import type postgres from "postgres";
import { payloadOf } from "../../domain/payload.ts";
import type { PlanId, PlanRef } from "../../domain/id.ts";
import { emptySlice, ROUNDS_LIMIT } from "../../domain/plan/slice.ts";
import type { PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import { batchKey } from "../ports/batches.ts";
import type { BatchInput, BatchPlan, BatchResult, BatchStore, Leased, PlanVerdict } from "../ports/batches.ts";
import { CommitUnknownError } from "../ports/store.ts";
import { isConnectionLoss, toBatchTrouble } from "./connection.ts";
import type { Client, Connection } from "./connection.ts";
import type { BulkColumn } from "./columns.ts";
import { placeIds, placedArrays, placedMatch, placedSelect } from "./placed.ts";
import type { Placed, PlacedStatement } from "./placed.ts";
import { PLAN_SELECT, planRowOf } from "./plan-rows.ts";
import type { RawPlan } from "./plan-rows.ts";
import { addChildren, completeSlice } from "./slice.ts";
import { STEP_SELECT_OF_PLAN, stepRowOfValues } from "./step-rows.ts";
import { seeText } from "./transaction.ts";
import { sendChanges } from "./write-changes.ts";
import { sendKeys } from "./write-keys.ts";

const KEYS = "unnest($1::uuid[], $2::uuid[]) AS v(org_id, plan_id)";
const lockText = (tail: string): string =>
  // One order everywhere: by plan id. The plan is locked before anything else of it is read.
  `SELECT ${PLAN_SELECT} FROM maestro.plans p JOIN ${KEYS} USING (org_id, plan_id) ORDER BY p.plan_id FOR NO KEY UPDATE OF p ${tail}`;
const TEXT = {
  lock: lockText("SKIP LOCKED"),
  lockWaiting: lockText(""),
  exist: `SELECT p.org_id, p.plan_id FROM maestro.plans p JOIN ${KEYS} USING (org_id, plan_id)`,
  clock: "SELECT maestro.clock_ms() AS now",
};

interface Ordinal {
  readonly ordinal: number;
}

const ORDINAL: readonly BulkColumn<Ordinal>[] = [{ name: "ordinal", type: "int", value: (row) => row.ordinal }];
const PARENT: readonly BulkColumn<Ordinal>[] = [{ name: "from_ordinal", type: "int", value: (row) => row.ordinal }];
const INPUT: readonly BulkColumn<Ordinal & { readonly undoing: boolean }>[] = [
  ...ORDINAL,
  { name: "undoing", type: "boolean", value: (row) => row.undoing },
];
const READS = {
  steps: placedSelect(
    `v.place, ${STEP_SELECT_OF_PLAN}`,
    ORDINAL,
    `JOIN maestro.steps s ON ${placedMatch("s", ["ordinal"])}`,
  ),
  children: placedSelect(
    `v.place, e.from_ordinal, e.regardless, ${STEP_SELECT_OF_PLAN}`,
    PARENT,
    `JOIN maestro.step_edges e ON ${placedMatch("e", ["from_ordinal"])} ` +
      "JOIN maestro.steps s ON s.org_id = e.org_id AND s.plan_id = e.plan_id AND s.ordinal = e.to_ordinal",
  ),
  inputs: placedSelect(
    "v.place, i.ordinal, i.input",
    INPUT,
    `JOIN maestro.step_inputs i ON ${placedMatch("i", ["ordinal", "undoing"])}`,
  ),
  checkpoints: placedSelect(
    "v.place, c.ordinal, c.checkpoint",
    ORDINAL,
    `JOIN maestro.checkpoints c ON ${placedMatch("c", ["ordinal"])}`,
  ),
};

export function createBatchStore(
  client: Client,
  settings: { readonly prepare: boolean; readonly lockMs?: number } = { prepare: true },
): BatchStore {
  const see = seeText(settings);
  return {
    run: async (plans, decide, options) => {
      const connection = await client.reserve(options.signal);
      try {
        return await runOn(connection, see, plans, decide, options);
      } finally {
        connection.release();
      }
    },
  };
}

async function runOn(
  connection: Connection,
  see: string,
  plans: readonly BatchPlan[],
  decide: (slice: PlanSlice, nowMs: number) => PlanVerdict,
  options: Parameters<BatchStore["run"]>[2],
): Promise<BatchResult> {
  const run = async <Row>(text: string, parameters: readonly unknown[]): Promise<readonly Row[]> =>
    (await connection.unsafe(text, parameters as postgres.ParameterOrJSON<never>[], {
      prepare: true,
    })) as unknown as readonly Row[];
  // As arrays: an object with thirty members for each row is a fifth of all garbage.
  const values: RunValues = async (text, parameters) =>
    connection.unsafe<unknown[][]>(text, parameters as postgres.ParameterOrJSON<never>[], { prepare: true }).values();
  let committing = false;
  try {
    const { slices, nowMs } = await load(run, values, see, plans, options.wait);
    const changes: PlanChanges[] = [];
    const leased: Leased[] = [];
    for (const slice of slices.values()) {
      const verdict = await decideFully(run, slice, decide, nowMs);
      if (verdict.kind !== "changes") continue;
      changes.push(verdict.changes);
      leased.push(...verdict.leased);
    }
    // Of the right org: a plan that somebody else names by its id is as absent as one that does not exist.
    const absent = plans.filter((p) => slices.get(p.planId)?.plan.orgId !== p.orgId);
    // Rarely any: tells plans that are held by another transaction from those that do not exist in this org.
    const existing =
      absent.length === 0 ? [] : run<{ org_id: string; plan_id: string }>(TEXT.exist, [...placeIds(absent)]);
    const writes = sendChanges(run, changes, {
      before: slices,
      nowMs,
    });
    const keys = options.keys?.() ?? [];
    if (keys.length > 0) writes.push(...sendKeys(run, keys, nowMs));
    const reads = readInputs(run, leased);
    // Everything before COMMIT is known to be well before it is sent only in this sense: a failed statement makes the
    // server answer COMMIT with a rollback, and its error rejects the batch here.
    committing = true;
    const commit = connection.unsafe(changes.length === 0 && keys.length === 0 ? "ROLLBACK" : "COMMIT", [], {
      prepare: false,
    });
    const settled = await Promise.allSettled([...writes, reads, existing, commit]);
    for (const one of settled) if (one.status === "rejected") throw one.reason as Error;
    const found = new Set((await existing).map((r) => `${r.org_id}/${r.plan_id}`));
    const isThere = (p: PlanRef): boolean => found.has(`${p.orgId}/${p.planId}`);
    return {
      skipped: absent.filter(isThere),
      missing: absent.filter((p) => !isThere(p)),
      inputs: await reads,
      nowMs,
    };
  } catch (error) {
    if (committing && isConnectionLoss(error)) throw new CommitUnknownError("the connection broke during commit");
    // The connection may stand in a failed transaction; one that cannot be rolled back is of no use to anybody.
    await connection.unsafe("ROLLBACK", [], { prepare: false }).catch(() => {
      connection.discard();
    });
    throw toBatchTrouble(error);
  }
}

/** Which of the plans that a statement names a row belongs to; first in rows that are read as values. */
interface Place {
  readonly place: number;
}

type Run = <Row>(text: string, parameters: readonly unknown[]) => Promise<readonly Row[]>;
type RunValues = (text: string, parameters: readonly unknown[]) => Promise<readonly (readonly unknown[])[]>;

/** First round trip: begin, lock, clock and load go out together; rows of plans that were not locked are passed over. */
async function load(
  run: Run,
  values: RunValues,
  see: string,
  plans: readonly BatchPlan[],
  wait: boolean,
): Promise<{ readonly slices: Map<PlanId, PlanSlice>; readonly nowMs: number }> {
  const sorted = [...plans].sort((a, b) => (a.planId < b.planId ? -1 : 1));
  const orgs = [...new Set(plans.map((p) => p.orgId))];
  const ids = placeIds(sorted);
  const rowsOf = (of: (plan: BatchPlan) => readonly number[]): Placed<Ordinal>[] =>
    sorted.flatMap((plan, i) => of(plan).map((ordinal) => ({ place: i + 1, it: { ordinal } })));
  const read: (statement: PlacedStatement<Ordinal>, rows: readonly Placed<Ordinal>[]) => ReturnType<RunValues> = async (
    { text, columns },
    rows,
  ) => (rows.length === 0 ? [] : values(text, placedArrays(ids, columns, rows)));
  const sent = [
    run("BEGIN", []),
    run(see, [`{${orgs.join(",")}}`, ""]),
    run<RawPlan>(wait ? TEXT.lockWaiting : TEXT.lock, [...ids]),
    run<{ now: number }>(TEXT.clock, []),
    read(
      READS.steps,
      rowsOf((p) => p.ordinals),
    ),
    read(
      READS.children,
      rowsOf((p) => p.childrenOf),
    ),
  ] as const;
  const settled = await Promise.allSettled(sent);
  for (const one of settled) if (one.status === "rejected") throw one.reason as Error;
  const [, , locked, clock, stepRows, childRows] = await Promise.all(sent);
  const slices = new Map<PlanId, PlanSlice>();
  for (const raw of locked) slices.set(raw.plan_id as PlanId, emptySlice(planRowOf(raw)));
  const inOrder = sorted.map((plan) => slices.get(plan.planId));
  const sliceAt = (place: number): PlanSlice | undefined => inOrder[place - 1];
  for (const row of stepRows) {
    const slice = sliceAt(row[0] as number);
    if (slice === undefined) continue;
    const step = stepRowOfValues(row, 1, slice.plan.planId);
    slice.steps.set(step.ordinal, step);
  }
  const edges = new Map<PlanId, { from_ordinal: number; to_ordinal: number; regardless: boolean }[]>();
  for (const row of childRows) {
    const slice = sliceAt(row[0] as number);
    if (slice === undefined) continue;
    const { planId } = slice.plan;
    const to = row[3] as number;
    if (!slice.steps.has(to)) slice.steps.set(to, stepRowOfValues(row, 3, planId));
    const list = edges.get(planId) ?? [];
    list.push({ from_ordinal: row[1] as number, to_ordinal: to, regardless: row[2] as boolean });
    edges.set(planId, list);
  }
  for (const plan of sorted) {
    const slice = slices.get(plan.planId);
    if (slice !== undefined) addChildren(slice, edges.get(plan.planId) ?? [], plan.childrenOf);
  }
  return { slices, nowMs: clock[0]?.now ?? 0 };
}

async function decideFully(
  run: Run,
  slice: PlanSlice,
  decide: (slice: PlanSlice, nowMs: number) => PlanVerdict,
  nowMs: number,
): Promise<PlanVerdict> {
  for (let round = 0; round < ROUNDS_LIMIT; round++) {
    const verdict = decide(slice, nowMs);
    if (verdict.kind !== "needs") return verdict;
    await completeSlice(run, slice, verdict.needs);
  }
  throw new Error("a decision asked for more rows without end");
}

async function readInputs(run: Run, leased: readonly Leased[]): Promise<ReadonlyMap<string, BatchInput>> {
  const inputs = new Map<string, BatchInput>();
  if (leased.length === 0) return inputs;
  // A plan's leases come one after the other.
  const plans: PlanRef[] = [];
  const placed = leased.map((it) => {
    if (plans.at(-1)?.planId !== it.planId) plans.push(it);
    return { place: plans.length, it };
  });
  const ids = placeIds(plans);
  const again = placed.filter(({ it }) => it.again);
  const [rows, checkpoints] = await Promise.all([
    run<Place & { ordinal: number; input: string | null }>(
      READS.inputs.text,
      placedArrays(ids, READS.inputs.columns, placed),
    ),
    again.length === 0
      ? []
      : run<Place & { ordinal: number; checkpoint: string }>(
          READS.checkpoints.text,
          placedArrays(ids, READS.checkpoints.columns, again),
        ),
  ]);
  const keyOf = ({ place, ordinal }: Place & { readonly ordinal: number }): string => {
    const plan = plans[place - 1];
    if (plan === undefined) throw new Error("a row of no plan that was asked for");
    return batchKey(plan.planId, ordinal);
  };
  for (const raw of rows) inputs.set(keyOf(raw), { input: payloadOf(raw.input), checkpoint: null });
  for (const raw of checkpoints) {
    const key = keyOf(raw);
    inputs.set(key, { input: inputs.get(key)?.input ?? null, checkpoint: payloadOf(raw.checkpoint) });
  }
  return inputs;
}
