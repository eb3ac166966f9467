// The batch: lock, load, decide, write once, commit; two round trips unless a decision asks for more. Not here: the locks and
// the load (batch-load.ts), what is decided, and which items make a batch (dispatch/).
import type postgres from "postgres";
import { payloadOf } from "../../domain/payload.ts";
import type { PlanRef } from "../../domain/id.ts";
import { ROUNDS_LIMIT } from "../../domain/plan/slice.ts";
import type { PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import { batchKey } from "../ports/batches.ts";
import type { BatchInput, BatchPlan, BatchResult, BatchStore, Leased, PlanVerdict } from "../ports/batches.ts";
import { CommitUnknownError } from "../ports/store.ts";
import { KEYS, load, ORDINAL } from "./batch-load.ts";
import type { Ordinal, Reader } from "./batch-load.ts";
import type { BulkColumn } from "./columns.ts";
import { isConnectionLoss, toBatchTrouble } from "./connection.ts";
import type { Client, Connection } from "./connection.ts";
import { placeIds, placedArrays, placedMatch, placedSelect } from "./placed.ts";
import { PlanCache } from "./plan-cache.ts";
import { completeSlice } from "./slice.ts";
import { beginText, PREPARED } from "./transaction.ts";
import { sendChanges } from "./write-changes.ts";
import { sendKeys } from "./write-keys.ts";

const EXIST = `SELECT p.org_id, p.plan_id FROM maestro.plans p JOIN ${KEYS} USING (org_id, plan_id)`;
const INPUT: readonly BulkColumn<Ordinal & { readonly undoing: boolean }>[] = [
  ...ORDINAL,
  { name: "undoing", type: "boolean", value: (row) => row.undoing },
];
const READS = {
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

export interface BatchSettings {
  readonly prepare: boolean;
  readonly lockMs?: number;
  /** Small plans as whoever committed last in this store left them. */
  readonly cache?: PlanCache;
  /** For tests: reads what is cached as well, and throws where the two differ. */
  readonly checkCache?: boolean;
}

export function createBatchStore(client: Client, settings: BatchSettings = { prepare: true }): BatchStore {
  const { cache = new PlanCache(), checkCache = false } = settings;
  const shared = { settings, cache, checkCache };
  let opened = 0;
  return {
    run: async (plans, decide, options) => {
      const connection = await client.reserve(options.signal);
      // After a failover the same revision may mean other rows.
      if (client.opened !== opened) shared.cache.clear();
      opened = client.opened;
      try {
        return await runOn(connection, shared, plans, decide, options);
      } finally {
        connection.release();
      }
    },
  };
}

async function runOn(
  connection: Connection,
  {
    settings,
    cache,
    checkCache,
  }: { readonly settings: BatchSettings; readonly cache: PlanCache; readonly checkCache: boolean },
  plans: readonly BatchPlan[],
  decide: (slice: PlanSlice, nowMs: number) => PlanVerdict,
  options: Parameters<BatchStore["run"]>[2],
): Promise<BatchResult> {
  const run: Reader["run"] = async <Row>(text: string, parameters: readonly unknown[]) =>
    (await connection.unsafe(
      text,
      parameters as postgres.ParameterOrJSON<never>[],
      PREPARED,
    )) as unknown as readonly Row[];
  const values: Reader["values"] = async (text, parameters) =>
    connection.unsafe<unknown[][]>(text, parameters as postgres.ParameterOrJSON<never>[], PREPARED).values();
  const orgs = [...new Set(plans.map((p) => p.orgId))];
  // Executed at once: a statement that is only waited for goes out a turn later, behind what should follow it.
  const begin = (): Promise<unknown> => connection.unsafe(beginText(settings, { orgs })).execute();
  let committing = false;
  try {
    const { slices, nowMs } = await load({ run, values }, plans, { begin, wait: options.wait, cache, checkCache });
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
    const existing = absent.length === 0 ? [] : run<{ org_id: string; plan_id: string }>(EXIST, [...placeIds(absent)]);
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
    for (const change of changes) cache.follow(change);
    const found = new Set((await existing).map((r) => `${r.org_id}/${r.plan_id}`));
    const isThere = (p: PlanRef): boolean => found.has(`${p.orgId}/${p.planId}`);
    return {
      skipped: absent.filter(isThere),
      missing: absent.filter((p) => !isThere(p)),
      inputs: await reads,
      nowMs,
    };
  } catch (error) {
    if (isConnectionLoss(error)) cache.clear();
    else for (const { planId } of plans) cache.forget(planId);
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

async function decideFully(
  run: Reader["run"],
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

async function readInputs(run: Reader["run"], leased: readonly Leased[]): Promise<ReadonlyMap<string, BatchInput>> {
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
