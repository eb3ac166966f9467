// The batch: lock, load, decide, write once, commit; two round trips unless a decision asks for more. Not here: what is
// decided, and which items make a batch (dispatch/). Locks: plan rows in order, FOR NO KEY UPDATE SKIP LOCKED.
import type postgres from "postgres";
import { payloadOf } from "../../domain/payload.ts";
import type { PlanId, PlanRef } from "../../domain/id.ts";
import type { PlanRow } from "../../domain/plan.ts";
import type { PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import { batchKey } from "../ports/batches.ts";
import type { BatchInput, BatchPlan, BatchResult, BatchStore, Leased, PlanVerdict } from "../ports/batches.ts";
import { CommitUnknownError } from "../ports/store.ts";
import { isConnectionLoss, toBatchTrouble } from "./connection.ts";
import type { Client, Connection } from "./connection.ts";
import { arrayLiteral } from "./columns.ts";
import { PLAN_SELECT, planRowOf } from "./plan-rows.ts";
import type { RawPlan } from "./plan-rows.ts";
import { addChildren, completeSlice, emptySlice } from "./slice.ts";
import { STEP_SELECT, stepRowOf } from "./step-rows.ts";
import type { RawStep } from "./step-rows.ts";
import { sendChanges, sendKeys } from "./write-changes.ts";

const KEYS = "unnest($1::uuid[], $2::uuid[]) AS v(org_id, plan_id)";
const lockText = (tail: string): string =>
  // One order everywhere: by plan id. The plan is locked before anything else of it is read.
  `SELECT ${PLAN_SELECT} FROM maestro.plans p JOIN ${KEYS} USING (org_id, plan_id) ORDER BY p.plan_id FOR NO KEY UPDATE OF p ${tail}`;
const TEXT = {
  lock: lockText("SKIP LOCKED"),
  lockWaiting: lockText(""),
  exist: `SELECT p.org_id, p.plan_id FROM maestro.plans p JOIN ${KEYS} USING (org_id, plan_id)`,
  orgs: "SELECT set_config('maestro.orgs', $1, true)",
  clock: "SELECT maestro.clock_ms() AS now",
  steps: `SELECT ${STEP_SELECT} FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS v(org_id, plan_id, ordinal) JOIN maestro.steps s USING (org_id, plan_id, ordinal)`,
  children:
    `SELECT e.from_ordinal, e.regardless, ${STEP_SELECT} FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS v(org_id, plan_id, from_ordinal) ` +
    "JOIN maestro.step_edges e USING (org_id, plan_id, from_ordinal) JOIN maestro.steps s ON s.org_id = e.org_id AND s.plan_id = e.plan_id AND s.ordinal = e.to_ordinal",
  inputs:
    "SELECT i.plan_id, i.ordinal, i.input FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::boolean[]) AS v(org_id, plan_id, ordinal, undoing) JOIN maestro.step_inputs i USING (org_id, plan_id, ordinal, undoing)",
  checkpoints:
    "SELECT c.plan_id, c.ordinal, c.checkpoint FROM unnest($1::uuid[], $2::uuid[], $3::int[]) AS v(org_id, plan_id, ordinal) JOIN maestro.checkpoints c USING (org_id, plan_id, ordinal)",
};

/** Rounds that a decision may ask for more; a decision that never has enough is a bug. */
const ROUNDS = 64;

export function createBatchStore(client: Client): BatchStore {
  return {
    run: async (plans, decide, options) => {
      const connection = await client.reserve(options.signal);
      try {
        return await runOn(connection, plans, decide, options);
      } finally {
        connection.release();
      }
    },
  };
}

async function runOn(
  connection: Connection,
  plans: readonly BatchPlan[],
  decide: (slice: PlanSlice, nowMs: number) => PlanVerdict,
  options: Parameters<BatchStore["run"]>[2],
): Promise<BatchResult> {
  const run = async <Row>(text: string, parameters: readonly unknown[]): Promise<readonly Row[]> =>
    (await connection.unsafe(text, parameters as postgres.ParameterOrJSON<never>[], {
      prepare: true,
    })) as unknown as readonly Row[];
  let committing = false;
  try {
    const { slices, nowMs } = await load(run, plans, options.wait);
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
      absent.length === 0 ? [] : run<{ org_id: string; plan_id: string }>(TEXT.exist, planArrays(absent));
    const writes = sendChanges(run, changes, {
      hotOnly: changes.every((c) => rareUnchanged(slices.get(c.plan.planId)?.plan, c.plan)),
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

type Run = <Row>(text: string, parameters: readonly unknown[]) => Promise<readonly Row[]>;

/** First round trip: begin, lock, clock and load go out together; rows of plans that were not locked are passed over. */
async function load(
  run: Run,
  plans: readonly BatchPlan[],
  wait: boolean,
): Promise<{ readonly slices: Map<PlanId, PlanSlice>; readonly nowMs: number }> {
  const sorted = [...plans].sort((a, b) => (a.planId < b.planId ? -1 : 1));
  const orgs = [...new Set(plans.map((p) => p.orgId))];
  const steps = sorted.flatMap((p) => p.ordinals.map((ordinal) => ({ orgId: p.orgId, planId: p.planId, ordinal })));
  const parents = sorted.flatMap((p) => p.childrenOf.map((ordinal) => ({ orgId: p.orgId, planId: p.planId, ordinal })));
  const sent = [
    run("BEGIN", []),
    run(TEXT.orgs, [`{${orgs.join(",")}}`]),
    run<RawPlan>(wait ? TEXT.lockWaiting : TEXT.lock, planArrays(sorted)),
    run<{ now: number }>(TEXT.clock, []),
    steps.length === 0 ? Promise.resolve([]) : run<RawStep>(TEXT.steps, keyArrays(steps)),
    parents.length === 0
      ? Promise.resolve([])
      : run<RawStep & { from_ordinal: number; regardless: boolean }>(TEXT.children, keyArrays(parents)),
  ] as const;
  const settled = await Promise.allSettled(sent);
  for (const one of settled) if (one.status === "rejected") throw one.reason as Error;
  const [, , locked, clock, stepRows, childRows] = await Promise.all(sent);
  const slices = new Map<PlanId, PlanSlice>();
  for (const raw of locked) slices.set(raw.plan_id as PlanId, emptySlice(planRowOf(raw)));
  for (const raw of stepRows) slices.get(raw.plan_id as PlanId)?.steps.set(raw.ordinal, stepRowOf(raw));
  const edges = new Map<PlanId, { from_ordinal: number; to_ordinal: number; regardless: boolean }[]>();
  for (const raw of childRows) {
    const planId = raw.plan_id as PlanId;
    const slice = slices.get(planId);
    if (slice === undefined) continue;
    if (!slice.steps.has(raw.ordinal)) slice.steps.set(raw.ordinal, stepRowOf(raw));
    const list = edges.get(planId) ?? [];
    list.push({ from_ordinal: raw.from_ordinal, to_ordinal: raw.ordinal, regardless: raw.regardless });
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
  for (let round = 0; round < ROUNDS; round++) {
    const verdict = decide(slice, nowMs);
    if (verdict.kind !== "needs") return verdict;
    await completeSlice(run, slice, verdict.needs);
  }
  throw new Error("a decision asked for more rows without end");
}

async function readInputs(run: Run, leased: readonly Leased[]): Promise<ReadonlyMap<string, BatchInput>> {
  const inputs = new Map<string, BatchInput>();
  if (leased.length === 0) return inputs;
  const again = leased.filter((l) => l.again);
  const [rows, checkpoints] = await Promise.all([
    run<{ plan_id: string; ordinal: number; input: string | null }>(TEXT.inputs, [
      ...keyArrays(leased),
      arrayLiteral(
        "boolean",
        leased.map((l) => l.undoing),
      ),
    ]),
    again.length === 0
      ? []
      : run<{ plan_id: string; ordinal: number; checkpoint: string }>(TEXT.checkpoints, keyArrays(again)),
  ]);
  for (const raw of rows)
    inputs.set(batchKey(raw.plan_id as PlanId, raw.ordinal), { input: payloadOf(raw.input), checkpoint: null });
  for (const raw of checkpoints) {
    const key = batchKey(raw.plan_id as PlanId, raw.ordinal);
    inputs.set(key, { input: inputs.get(key)?.input ?? null, checkpoint: payloadOf(raw.checkpoint) });
  }
  return inputs;
}

function planArrays(plans: readonly PlanRef[]): string[] {
  return [
    arrayLiteral(
      "uuid",
      plans.map((p) => p.orgId),
    ),
    arrayLiteral(
      "uuid",
      plans.map((p) => p.planId),
    ),
  ];
}

function keyArrays(steps: readonly (PlanRef & { readonly ordinal: number })[]): string[] {
  return [
    ...planArrays(steps),
    arrayLiteral(
      "int",
      steps.map((s) => s.ordinal),
    ),
  ];
}

function rareUnchanged(before: PlanRow | undefined, after: PlanRow): boolean {
  return (
    before?.activeVersion === after.activeVersion &&
    before.nextOrdinal === after.nextOrdinal &&
    before.pendingVersion === after.pendingVersion &&
    before.newestVersion === after.newestVersion &&
    before.stepsTotal === after.stepsTotal &&
    before.deadlineMs === after.deadlineMs &&
    before.account.allotted === after.account.allotted
  );
}
