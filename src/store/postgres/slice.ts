// Reads the parts of a plan that decisions ask for. Not here: the first load of a batch, see batch-load.ts.
// The caller holds the plan row; every statement names org and plan.
import type { Approval } from "../../domain/approval.ts";
import { parseDefinition } from "../../domain/graph/fingerprint.ts";
import type { ApprovalId, ExecutorId, OrgId, PlanId, RecordId } from "../../domain/id.ts";
import { consumedKey, earlierKey, PARKED_LIMIT } from "../../domain/plan/slice.ts";
import type { ChildEdge, EarlierAttempt, Needs, PlanSlice } from "../../domain/plan/slice.ts";
import type { StepState } from "../../domain/step.ts";
import { STEP_FLAGS } from "../../domain/step.ts";
import { amountsOf, arrayLiteral, hexOf } from "./columns.ts";
import type { RawAmounts } from "./columns.ts";
import { STEP_SELECT_OF_PLAN, stepRowOfPlan } from "./step-rows.ts";
import type { RawStepOfPlan } from "./step-rows.ts";

/** Runs one prepared statement on the transaction's connection and gives its rows. */
export type Query = <Row>(text: string, parameters: readonly unknown[]) => Promise<readonly Row[]>;

/** Of parked steps: steps too dear, however many, must not hide one that could run. Compensation is never too dear. */
const AFFORDABLE = `s.state = 'COMPENSATING' OR (${["tokens", "money", "wall", "energy"]
  .map((name, i) => `s.hold_${name} <= coalesce($${String(i + 3)}::bigint, s.hold_${name})`)
  .join(" AND ")})`;

// One look-up for each of them: where plans usually have few rows, `= ANY(…)` is a filter over all rows of the plan. OFFSET 0
// keeps the planner from beginning with those rows; see batch-load.ts.
const each = (table: string, type: "int" | "text", column: string, and = ""): string =>
  `unnest($3::${type}[]) AS v(${column}) CROSS JOIN LATERAL (SELECT * FROM maestro.${table} x ` +
  `WHERE x.org_id = $1 AND x.plan_id = $2 AND x.${column} = v.${column} ${and}OFFSET 0)`;
/** Exported so that their plans can be looked at. */
export const NEEDS = {
  steps: `SELECT ${STEP_SELECT_OF_PLAN} FROM ${each("steps", "int", "ordinal")} s`,
  childrenOf:
    `SELECT e.from_ordinal, e.regardless, ${STEP_SELECT_OF_PLAN} FROM ${each("step_edges", "int", "from_ordinal")} e CROSS JOIN LATERAL (` +
    "SELECT * FROM maestro.steps x WHERE x.org_id = $1 AND x.plan_id = $2 AND x.ordinal = e.to_ordinal OFFSET 0) s",
  definitions:
    `SELECT s.ordinal, g.definition FROM ${each("steps", "int", "ordinal")} s CROSS JOIN LATERAL (` +
    "SELECT x.definition FROM maestro.graph_steps x WHERE x.org_id = $1 AND x.plan_id = $2 AND x.version = s.version AND x.key = s.key OFFSET 0) g",
  /** Of the current rows: the newest attempt that succeeded. */
  results:
    `SELECT s.key, s.state, a.outputs, coalesce(a.outputs_digest, '') AS outputs_digest FROM ${each("steps", "text", "key", "AND x.current ")} s LEFT JOIN LATERAL (` +
    "SELECT a.outputs, a.outputs_digest FROM maestro.attempts a WHERE a.org_id = $1 AND a.plan_id = $2 AND a.ordinal = s.ordinal AND a.state = 'SUCCEEDED' AND NOT a.undoing " +
    "ORDER BY a.fencing DESC LIMIT 1) a ON true",
  /** See Needs.consumed. Index: both of steps by key, then attempts by their primary key. */
  consumed:
    "SELECT v.key, a.outputs, a.outputs_digest FROM unnest($3::text[]) AS v(key) CROSS JOIN LATERAL (" +
    "SELECT a.outputs, a.outputs_digest FROM (" +
    ["current", "NOT current"]
      .map(
        (which) => `SELECT ordinal FROM maestro.steps WHERE org_id = $1 AND plan_id = $2 AND key = v.key AND ${which}`,
      )
      .join(" UNION ALL ") +
    ") s CROSS JOIN LATERAL (SELECT * FROM maestro.attempts x WHERE x.org_id = $1 AND x.plan_id = $2 AND x.ordinal = s.ordinal OFFSET 0) a " +
    "WHERE a.state = 'SUCCEEDED' AND NOT a.undoing ORDER BY a.ordinal = $4::int DESC, a.ended_ms <= $5::bigint DESC, a.ended_ms DESC LIMIT 1) a",
};

/** Loads what a decision asked for, in one round trip. */
export async function completeSlice(query: Query, slice: PlanSlice, needs: Needs): Promise<void> {
  const { orgId, planId } = slice.plan;
  const at = [orgId, planId] as const;
  const work: Promise<void>[] = [];
  const addSteps = (rows: readonly RawStepOfPlan[]): void => {
    for (const raw of rows) slice.steps.set(raw.ordinal, stepRowOfPlan(raw, slice.plan.planId));
  };
  if (needs.whole === true) {
    work.push(
      query<RawStepOfPlan>(
        `SELECT ${STEP_SELECT_OF_PLAN} FROM maestro.steps s WHERE s.org_id = $1 AND s.plan_id = $2`,
        at,
      ).then(addSteps),
      query<RawEdge>(
        "SELECT from_ordinal, to_ordinal, regardless FROM maestro.step_edges WHERE org_id = $1 AND plan_id = $2",
        at,
      ).then((rows) => addChildren(slice, rows, [])),
    );
  }
  if (needs.steps !== undefined && needs.steps.length > 0) {
    work.push(query<RawStepOfPlan>(NEEDS.steps, [...at, arrayLiteral("int", needs.steps)]).then(addSteps));
  }
  const { childrenOf } = needs;
  if (childrenOf !== undefined && childrenOf.length > 0) {
    work.push(
      query<RawStepOfPlan & { from_ordinal: number; regardless: boolean }>(NEEDS.childrenOf, [
        ...at,
        arrayLiteral("int", childrenOf),
      ]).then((rows) => {
        addSteps(rows);
        addChildren(
          slice,
          rows.map((r) => ({ from_ordinal: r.from_ordinal, to_ordinal: r.ordinal, regardless: r.regardless })),
          childrenOf,
        );
      }),
    );
  }
  if (needs.definitions !== undefined && needs.definitions.length > 0) {
    work.push(
      query<{ ordinal: number; definition: string }>(NEEDS.definitions, [
        ...at,
        arrayLiteral("int", needs.definitions),
      ]).then((rows) => {
        for (const raw of rows) slice.definitions.set(raw.ordinal, parseDefinition(raw.definition));
      }),
    );
  }
  if (needs.results !== undefined && needs.results.length > 0) work.push(loadResults(query, slice, needs.results));
  if (needs.consumed !== undefined) work.push(loadConsumed(query, slice, needs.consumed));
  for (const { ordinal, fencing } of needs.earlier ?? []) work.push(loadEarlier(query, slice, ordinal, fencing));
  if (needs.approvals === true) work.push(loadApprovals(query, slice));
  if (needs.goal === true) work.push(loadGoal(query, slice));
  if (needs.parked !== undefined) {
    const { tokens, moneyMicros, wallMs, energyMillijoules } = needs.parked;
    const text = `SELECT ${STEP_SELECT_OF_PLAN} FROM maestro.steps s WHERE s.org_id = $1 AND s.plan_id = $2 AND s.state IN ('READY', 'COMPENSATING') AND s.order_key IS NULL ORDER BY (${AFFORDABLE}) DESC, s.ready_ms, s.ordinal LIMIT ${String(PARKED_LIMIT)}`;
    work.push(
      query<RawStepOfPlan>(text, [...at, tokens, moneyMicros, wallMs, energyMillijoules]).then((rows) => {
        addSteps(rows);
        slice.parked = rows.map((r) => r.ordinal);
      }),
    );
  }
  if (needs.cascade === true) {
    work.push(
      query<{ frontier: number[]; sweep_from: number | null }>(
        "SELECT to_json(frontier) AS frontier, sweep_from FROM maestro.cascades WHERE org_id = $1 AND plan_id = $2",
        at,
      ).then(([raw]) => {
        slice.cascade = raw === undefined ? null : { frontier: raw.frontier, sweepFrom: raw.sweep_from };
      }),
    );
  }
  if (needs.undo === true) work.push(loadUndo(query, slice));
  await Promise.all(work);
  if (needs.whole === true) slice.whole = true;
}

export interface RawEdge {
  readonly from_ordinal: number;
  readonly to_ordinal: number;
  readonly regardless: boolean;
}

/** Adds edges; every step of `asked` gets an entry, so that having no children is known as well. */
export function addChildren(slice: PlanSlice, rows: readonly RawEdge[], asked: Iterable<number>): void {
  const lists = new Map<number, ChildEdge[]>();
  for (const ordinal of asked) lists.set(ordinal, []);
  for (const raw of rows) {
    const list = lists.get(raw.from_ordinal) ?? [];
    list.push({ to: raw.to_ordinal, regardless: raw.regardless });
    lists.set(raw.from_ordinal, list);
  }
  for (const [ordinal, list] of lists) slice.children.set(ordinal, list);
}

/** The JSON text in the store's text of a payload. */
function jsonIn(payload: string | null): string | null {
  return payload?.startsWith("j") === true ? payload.slice(1) : null;
}

async function loadResults(query: Query, slice: PlanSlice, keys: readonly string[]): Promise<void> {
  const rows = await query<{ key: string; state: string; outputs: string | null; outputs_digest: string }>(
    NEEDS.results,
    [slice.plan.orgId, slice.plan.planId, arrayLiteral("text", keys)],
  );
  for (const raw of rows) {
    const { key, state, outputs_digest: outputsDigest } = raw;
    slice.results.set(key, { state: state as StepState, outputs: jsonIn(raw.outputs), outputsDigest });
  }
  // A key without a row would be asked for without end.
  for (const key of keys)
    if (!slice.results.has(key)) slice.results.set(key, { state: "SKIPPED", outputs: null, outputsDigest: "" });
}

async function loadConsumed(
  query: Query,
  slice: PlanSlice,
  { ordinal, beganMs, keys }: NonNullable<Needs["consumed"]>,
): Promise<void> {
  const { orgId, planId } = slice.plan;
  const rows = await query<{ key: string; outputs: string | null; outputs_digest: string }>(NEEDS.consumed, [
    orgId,
    planId,
    arrayLiteral("text", keys),
    ordinal,
    beganMs,
  ]);
  for (const key of keys)
    slice.consumed.set(consumedKey(ordinal, key), { state: "SKIPPED", outputs: null, outputsDigest: "" });
  for (const { key, outputs, outputs_digest: outputsDigest } of rows)
    slice.consumed.set(consumedKey(ordinal, key), { state: "SUCCEEDED", outputs: jsonIn(outputs), outputsDigest });
}

interface RawEarlier extends RawAmounts<"hold" | "usage"> {
  readonly state: string;
  readonly executor_id: string;
  readonly body_digest: Uint8Array | null;
  readonly late_digest: Uint8Array | null;
  readonly record_id: string;
}

async function loadEarlier(query: Query, slice: PlanSlice, ordinal: number, fencing: number): Promise<void> {
  const text =
    "SELECT state, executor_id, body_digest, late_digest, record_id, hold_tokens, hold_money, hold_wall, hold_energy, usage_tokens, usage_money, usage_wall, usage_energy " +
    "FROM maestro.attempts WHERE org_id = $1 AND plan_id = $2 AND ordinal = $3 AND fencing = $4";
  const [raw] = await query<RawEarlier>(text, [slice.plan.orgId, slice.plan.planId, ordinal, fencing]);
  const found: EarlierAttempt | null =
    raw === undefined
      ? null
      : {
          ordinal,
          fencing,
          state: raw.state as EarlierAttempt["state"],
          executorId: raw.executor_id as ExecutorId,
          bodyDigest: hexOf(raw.body_digest),
          lateDigest: hexOf(raw.late_digest),
          recordId: raw.record_id as RecordId,
          hold: amountsOf(raw, "hold"),
          usage: amountsOf(raw, "usage"),
        };
  slice.earlier.set(earlierKey(ordinal, fencing), found);
}

export interface RawApproval {
  readonly org_id: string;
  readonly plan_id: string;
  readonly approval_id: string;
  readonly subject: string;
  readonly ordinal: number | null;
  readonly step: string;
  readonly version: number;
  readonly digest: string;
  readonly state: string;
  readonly question: string;
  readonly requested_by: string;
  readonly requested_ms: number;
  readonly decided_by: string | null;
  readonly decided_ms: number | null;
  readonly comment: string;
  readonly context: string;
}

export const APPROVAL_COLUMNS =
  "org_id, plan_id, approval_id, subject, ordinal, step, version, digest, state, question, requested_by, requested_ms, decided_by, decided_ms, comment, context";

export function approvalOf(raw: RawApproval): Approval {
  return {
    orgId: raw.org_id as OrgId,
    planId: raw.plan_id as PlanId,
    approvalId: raw.approval_id as ApprovalId,
    subject: raw.subject as Approval["subject"],
    ordinal: raw.ordinal,
    step: raw.step,
    version: raw.version,
    digest: raw.digest,
    state: raw.state as Approval["state"],
    question: raw.question,
    requestedBy: raw.requested_by,
    requestedMs: raw.requested_ms,
    decidedBy: raw.decided_by,
    decidedMs: raw.decided_ms,
    comment: raw.comment,
    context: raw.context,
  };
}

async function loadApprovals(query: Query, slice: PlanSlice): Promise<void> {
  const rows = await query<RawApproval>(
    `SELECT ${APPROVAL_COLUMNS} FROM maestro.approvals WHERE org_id = $1 AND plan_id = $2 AND state = 'PENDING'`,
    [slice.plan.orgId, slice.plan.planId],
  );
  for (const raw of rows) slice.approvals.set(raw.approval_id, approvalOf(raw));
  slice.approvalsLoaded = true;
}

async function loadGoal(query: Query, slice: PlanSlice): Promise<void> {
  const text =
    "SELECT g.name, g.inputs, g.labels, c.name AS charter FROM maestro.goals g JOIN maestro.charters c ON c.org_id = g.org_id AND c.charter_id = g.charter_id AND c.revision = g.charter_revision " +
    "WHERE g.org_id = $1 AND g.plan_id = $2";
  const [raw] = await query<{ name: string; inputs: string | null; labels: Record<string, string>; charter: string }>(
    text,
    [slice.plan.orgId, slice.plan.planId],
  );
  if (raw === undefined) throw new Error("a plan without its goal");
  slice.goal = {
    name: raw.name,
    charter: raw.charter,
    inputs: raw.inputs?.startsWith("j") === true ? raw.inputs.slice(1) : "{}",
    labels: raw.labels,
  };
}

/** What compensation looks at: the row that is being undone now, and those that would be next. A scan of the plan's rows by primary key. */
async function loadUndo(query: Query, slice: PlanSlice): Promise<void> {
  const at = [slice.plan.orgId, slice.plan.planId] as const;
  const of = "FROM maestro.steps s WHERE s.org_id = $1 AND s.plan_id = $2";
  const candidates = (current: string): string =>
    `(SELECT ${STEP_SELECT_OF_PLAN} ${of} AND s.state = 'SUCCEEDED' AND (s.flags & ${String(STEP_FLAGS.COMPENSABLE)}) <> 0 AND ${current} ORDER BY s.finished_ms DESC, s.ordinal DESC LIMIT 3)`;
  const [busy, next] = await Promise.all([
    query<RawStepOfPlan>(
      `SELECT ${STEP_SELECT_OF_PLAN} ${of} AND s.undoing AND s.state IN ('COMPENSATING', 'LEASED', 'BACKING_OFF') LIMIT 1`,
      at,
    ),
    query<RawStepOfPlan>(`${candidates("s.current")} UNION ALL ${candidates("NOT s.current")}`, at),
  ]);
  for (const raw of [...busy, ...next]) slice.steps.set(raw.ordinal, stepRowOfPlan(raw, slice.plan.planId));
  slice.undo = { busy: busy[0]?.ordinal ?? null, candidates: next.map((raw) => raw.ordinal) };
}
