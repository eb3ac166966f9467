// Running plans for operations: locking, listing, and the rows a new version brings. Not here: the batches of dispatch
// (batches.ts), loading slices (slice.ts) and writing decisions (write-changes.ts), which this repository shares with them.
import { MOST } from "../../domain/amounts.ts";
import { parseDefinition } from "../../domain/graph/fingerprint.ts";
import type { OrgId, PlanId } from "../../domain/id.ts";
import { payloadOf } from "../../domain/payload.ts";
import type { PlanRow } from "../../domain/plan.ts";
import { hasEnded, STEP_FLAGS, STEP_TRANSITIONS } from "../../domain/step.ts";
import type { StepState } from "../../domain/step.ts";
import { emptySlice } from "../../domain/plan/slice.ts";
import type { PlanRepository, StepsAlike, StepView } from "../ports/plans.ts";
import { ATTEMPT_SELECT, attemptOf } from "./attempts.ts";
import type { RawAttempt } from "./attempts.ts";
import type { AddedPlan } from "./added-plan.ts";
import { bulkInsert } from "./bulk.ts";
import { amountsOf, arrayLiteral } from "./columns.ts";
import type { RawAmounts } from "./columns.ts";
import { ADD_EDGES, ADD_INPUTS, ADD_STEPS, inputsOf } from "./plan-inserts.ts";
import { PLAN_SELECT, planRowOf } from "./plan-rows.ts";
import type { RawPlan } from "./plan-rows.ts";
import { completeSlice } from "./slice.ts";
import { STEP_SELECT, stepRowOf } from "./step-rows.ts";
import type { RawStep } from "./step-rows.ts";
import type { Session } from "./transaction.ts";
import { loadWhole } from "./whole-plan.ts";
import { sendChanges } from "./write-changes.ts";

/** Index: steps_by_key, whose predicate is named; one descent a step. Exported so that its plan can be looked at. */
export const STANDING =
  "SELECT v.plan_id, v.key, s.state, s.attempt, s.started_ms, s.finished_ms FROM unnest($2::uuid[], $3::text[]) AS v(plan_id, key) " +
  "CROSS JOIN LATERAL (SELECT x.state, x.attempt, x.started_ms, x.finished_ms FROM maestro.steps x " +
  "WHERE x.org_id = $1 AND x.plan_id = v.plan_id AND x.key = v.key AND x.current OFFSET 0) s";

interface RawStanding {
  readonly plan_id: string;
  readonly key: string;
  readonly state: StepState;
  readonly attempt: number;
  readonly started_ms: number | null;
  readonly finished_ms: number | null;
}

const FIND = `SELECT ${PLAN_SELECT} FROM maestro.plans p WHERE p.org_id = $1 AND p.plan_id = $2`;
const UNFINISHED = (Object.keys(STEP_TRANSITIONS) as StepState[]).filter((state) => !hasEnded(state));

type RawView = RawStep & RawAmounts<"used"> & { readonly definition: string; readonly input: string | null };

// Index: steps_by_key for the page, then primary keys. Sums may go beyond a bigint; they are cut off where amounts are.
const used = (unit: string): string =>
  `least(coalesce(sum(a.usage_${unit}), 0), ${String(MOST)})::bigint AS used_${unit}`;
const views = (where: string): string =>
  `SELECT ${STEP_SELECT}, g.definition, i.input, u.used_tokens, u.used_money, u.used_wall, u.used_energy FROM maestro.steps s ` +
  // One look-up a row: joined, all definitions and inputs of the plan were read for a page.
  "CROSS JOIN LATERAL (SELECT x.definition FROM maestro.graph_steps x WHERE x.org_id = $1 AND x.plan_id = $2 AND x.version = s.version AND x.key = s.key LIMIT 1) g " +
  "LEFT JOIN LATERAL (SELECT x.input FROM maestro.step_inputs x WHERE x.org_id = $1 AND x.plan_id = $2 AND x.ordinal = s.ordinal AND x.undoing = s.undoing LIMIT 1) i ON true " +
  `LEFT JOIN LATERAL (SELECT ${["tokens", "money", "wall", "energy"].map(used).join(", ")} FROM maestro.attempts a ` +
  "WHERE a.org_id = $1 AND a.plan_id = $2 AND a.ordinal = s.ordinal) u ON true " +
  `WHERE s.org_id = $1 AND s.plan_id = $2 AND ${where}`;
const stepViews = (only: string): string =>
  views(
    `s.current AND s.key > $3 AND ($4::text[] IS NULL OR s.state = ANY($4::text[])) ${only}ORDER BY s.key LIMIT $5`,
  );
/** Exported so that their plans can be looked at. */
export const STEP_VIEWS = {
  all: stepViews(""),
  byKey: stepViews("AND s.key = $6 "),
  // Index: the primary key.
  byOrdinal: views("s.ordinal = $3"),
  // Index: steps_dropped.
  dropped: views(
    "NOT s.current AND s.undoing AND s.key >= $3 AND (s.key, s.ordinal) > ($3, $4) AND s.state = ANY($5::text[]) ORDER BY s.key, s.ordinal LIMIT $6",
  ),
  droppedByKey: views(
    "NOT s.current AND s.undoing AND s.key = $3 AND s.state = ANY($4::text[]) ORDER BY s.ordinal DESC LIMIT $5",
  ),
};
/** Index: steps_by_key. Exported so that its plan can be looked at. */
export const ALIKE =
  "SELECT s.state, s.undoing, s.held_back, count(*)::int AS count, to_json((array_agg(s.key ORDER BY s.key))[1:3]) AS keys FROM maestro.steps s " +
  "WHERE s.org_id = $1 AND s.plan_id = $2 AND s.current AND s.key > $3 AND s.key <= $4 AND s.key LIKE $5 GROUP BY s.state, s.undoing, s.held_back";

const planList = (only: string): string =>
  // Index: plans_by_time, backwards; its predicate is named.
  `SELECT ${PLAN_SELECT} FROM maestro.plans p WHERE p.org_id = $1 AND p.created_ms >= 0 AND p.state <> 'UNCOMMITTED' AND ($2::text[] IS NULL OR p.state = ANY($2::text[])) ` +
  `AND (p.created_ms, p.plan_id) < ($3, $4) ${only}ORDER BY p.created_ms DESC, p.plan_id DESC LIMIT $5`;
export const PLAN_LIST = { all: planList(""), byId: planList("AND p.plan_id = $6 ") };
const NEWEST = [Number.MAX_SAFE_INTEGER, "ffffffff-ffff-ffff-ffff-ffffffffffff"] as const;

/** Reads the plan's part of the edges' primary key, not its rows: nothing else is by end, and few ask. Exported so that its plan can be looked at. */
export const UNFINISHED_BEFORE =
  // Materialized: otherwise the planner may begin with every step of the plan.
  "WITH e AS MATERIALIZED (SELECT from_ordinal, to_ordinal FROM maestro.step_edges WHERE org_id = $1 AND plan_id = $2 AND to_ordinal = ANY($3::int[])) " +
  "SELECT e.to_ordinal, max(CASE WHEN s.current THEN 0 WHEN s.state = 'COMPENSATION_FAILED' THEN 3 WHEN s.undoing OR s.state = 'SUCCEEDED' THEN 2 ELSE 1 END) AS predecessor, count(*) FILTER (WHERE s.current)::int AS count, " +
  "to_json((array_agg(s.key ORDER BY e.from_ordinal) FILTER (WHERE s.current))[1:100]) AS keys FROM e CROSS JOIN LATERAL (" +
  "SELECT * FROM maestro.steps x WHERE x.org_id = $1 AND x.plan_id = $2 AND x.ordinal = e.from_ordinal OFFSET 0) s WHERE (NOT s.undoing AND s.state = ANY($4::text[])) OR " +
  `(NOT s.current AND (s.flags & ${String(STEP_FLAGS.UNDO_FIRST)}) <> 0 AND s.state IN ('SUCCEEDED', 'LEASED', 'BACKING_OFF', 'COMPENSATING', 'COMPENSATION_FAILED')) GROUP BY e.to_ordinal`;
const PREDECESSORS = [null, "STOPS", "IS_UNDONE", "NOT_UNDONE"] as const;

/** The newest ended attempt of each step, of the step's current purpose. */
const LAST_ATTEMPTS =
  `SELECT ${ATTEMPT_SELECT} FROM unnest($3::int[], $4::boolean[]) AS v(ordinal, undoing) CROSS JOIN LATERAL (` +
  "SELECT * FROM maestro.attempts x WHERE x.org_id = $1 AND x.plan_id = $2 AND x.ordinal = v.ordinal AND x.undoing = v.undoing ORDER BY x.fencing DESC LIMIT 1) a";

const ofKey = (which: string): string =>
  `SELECT ordinal FROM maestro.steps WHERE org_id = $1 AND plan_id = $2 AND key = $3 AND ${which}`;
/** Exported so that its plan can be looked at. */
export const STEP_ATTEMPTS =
  `SELECT ${ATTEMPT_SELECT} FROM (${ofKey("current")} UNION ALL ${ofKey("NOT current")}) s CROSS JOIN LATERAL (` +
  "SELECT * FROM maestro.attempts x WHERE x.org_id = $1 AND x.plan_id = $2 AND x.ordinal = s.ordinal OFFSET 0) a " +
  "WHERE (a.ordinal, a.fencing) > ($4::int, $5::bigint) ORDER BY a.ordinal, a.fencing LIMIT $6";

export function createPlanRepository(session: Session, added: AddedPlan, nowMs: () => Promise<number>): PlanRepository {
  const { run, send } = session;
  const one = async (text: string, orgId: OrgId, planId: PlanId): Promise<PlanRow | undefined> => {
    const [row] = await run<RawPlan>(text, [orgId, planId]);
    return row === undefined ? undefined : planRowOf(row);
  };
  const viewed = async (orgId: OrgId, planId: PlanId, rows: readonly RawView[]): Promise<readonly StepView[]> => {
    if (rows.length === 0) return [];
    const attempts = await run<RawAttempt>(LAST_ATTEMPTS, [
      orgId,
      planId,
      arrayLiteral(
        "int",
        rows.map((r) => r.ordinal),
      ),
      arrayLiteral(
        "boolean",
        rows.map((r) => r.undoing),
      ),
    ]);
    const last = new Map(attempts.map((raw) => [raw.ordinal, raw]));
    return rows.map((raw) => viewOf(raw, last.get(raw.ordinal)));
  };
  return {
    lock: (orgId, planId) => one(`${FIND} FOR NO KEY UPDATE OF p`, orgId, planId),
    find: (orgId, planId) => one(FIND, orgId, planId),
    list: async (orgId, { planId, states }, page) => {
      const parameters = [
        orgId,
        states.length === 0 ? null : arrayLiteral("text", states),
        ...((page.after ?? NEWEST) as readonly [number, string]),
        page.limit,
      ];
      const rows = await (planId === null
        ? run<RawPlan>(PLAN_LIST.all, parameters)
        : run<RawPlan>(PLAN_LIST.byId, [...parameters, planId]));
      return rows.map(planRowOf);
    },
    slice: emptySlice,
    complete: async (slice, { whole = false, ...needs }) => {
      if (whole) await loadWhole(run, slice);
      await completeSlice(run, slice, needs);
    },
    save: async (changes) => {
      if (await added.save(changes, nowMs)) return;
      const at = await nowMs();
      const later = async (text: string, parameters: unknown[]): Promise<void> => send(text, parameters);
      await Promise.all(sendChanges(later, [changes], { nowMs: at }));
    },
    addSteps: async (orgId, planId, steps, edges) => {
      const plan = { orgId, planId };
      if (added.addSteps(plan, steps, edges)) return;
      await bulkInsert(
        session,
        plan,
        ADD_STEPS,
        steps.map(({ row }) => row),
      );
      await bulkInsert(session, plan, ADD_INPUTS, inputsOf(steps));
      await bulkInsert(session, plan, ADD_EDGES, edges);
    },
    removeEdges: async (orgId, planId, edges) => {
      if (edges.length === 0) return;
      added.changes(planId);
      send(
        "DELETE FROM maestro.step_edges e USING unnest($3::int[], $4::int[]) AS v(from_ordinal, to_ordinal) " +
          "WHERE e.org_id = $1 AND e.plan_id = $2 AND e.from_ordinal = v.from_ordinal AND e.to_ordinal = v.to_ordinal",
        [
          orgId,
          planId,
          arrayLiteral(
            "int",
            edges.map((e) => e.from),
          ),
          arrayLiteral(
            "int",
            edges.map((e) => e.to),
          ),
        ],
      );
    },
    listSteps: async (orgId, planId, query, page) => {
      const [after = ""] = (page.after ?? []) as [string?];
      const asked = query.states.length === 0 ? null : query.states;
      const states =
        query.unfinishedOnly === true ? UNFINISHED.filter((state) => asked?.includes(state) ?? true) : asked;
      const parameters = [orgId, planId, after, states === null ? null : arrayLiteral("text", states), page.limit];
      const rows = await (query.key === undefined
        ? run<RawView>(STEP_VIEWS.all, parameters)
        : run<RawView>(STEP_VIEWS.byKey, [...parameters, query.key]));
      return viewed(orgId, planId, rows);
    },
    findRow: async (orgId, planId, ordinal) => {
      const rows = await run<RawView>(STEP_VIEWS.byOrdinal, [orgId, planId, ordinal]);
      return (await viewed(orgId, planId, rows))[0];
    },
    listDropped: async (orgId, planId, { states, key }, page) => {
      const [after = "", ordinal = 0] = (page.after ?? []) as [string?, number?];
      const among = arrayLiteral("text", states);
      const rows = await (key === undefined
        ? run<RawView>(STEP_VIEWS.dropped, [orgId, planId, after, ordinal, among, page.limit])
        : run<RawView>(STEP_VIEWS.droppedByKey, [orgId, planId, key, among, page.limit]));
      return viewed(orgId, planId, rows);
    },
    standingOf: async (orgId, steps) => {
      if (steps.length === 0) return [];
      const plans = arrayLiteral(
        "uuid",
        steps.map(({ planId }) => planId),
      );
      const keys = arrayLiteral(
        "text",
        steps.map(({ key }) => key),
      );
      const rows = await run<RawStanding>(STANDING, [orgId, plans, keys]);
      return rows.map((row) => ({
        planId: row.plan_id as PlanId,
        key: row.key,
        state: row.state,
        attempt: row.attempt,
        startedMs: row.started_ms,
        finishedMs: row.finished_ms,
      }));
    },
    countAlike: async (orgId, planId, { after, upTo, keys }) => {
      const rows = await run<RawAlike>(ALIKE, [orgId, planId, after, upTo, likeOf(keys)]);
      return rows.map(({ held_back: heldBack, ...alike }) => ({ ...alike, heldBack }));
    },
    listAttempts: async (orgId, planId, key, page) => {
      const [ordinal = 0, fencing = 0] = (page.after ?? []) as [number?, number?];
      const rows = await run<RawAttempt>(STEP_ATTEMPTS, [orgId, planId, key, ordinal, fencing, page.limit]);
      return rows.map(attemptOf);
    },
    allAttempts: async (orgId, planId) => {
      const rows = await run<RawAttempt>(
        `SELECT ${ATTEMPT_SELECT} FROM maestro.attempts a WHERE a.org_id = $1 AND a.plan_id = $2 ORDER BY a.ended_ms, a.ordinal, a.fencing`,
        [orgId, planId],
      );
      return rows.map(attemptOf);
    },
    unfinishedBefore: async (orgId, planId, ordinals) => {
      const rows = await run<{ to_ordinal: number; predecessor: 0 | 1 | 2 | 3; count: number; keys: string[] | null }>(
        UNFINISHED_BEFORE,
        [orgId, planId, arrayLiteral("int", ordinals), arrayLiteral("text", UNFINISHED)],
      );
      return new Map(
        rows.map(({ to_ordinal, predecessor, count, keys }) => [
          to_ordinal,
          { count, keys: keys ?? [], predecessor: PREDECESSORS[predecessor] },
        ]),
      );
    },
    allSteps: async (orgId, planId) => {
      const [steps, edges] = await Promise.all([
        run<RawStep>(
          `SELECT ${STEP_SELECT} FROM maestro.steps s WHERE s.org_id = $1 AND s.plan_id = $2 AND s.current ORDER BY s.ordinal`,
          [orgId, planId],
        ),
        run<{ from_ordinal: number; to_ordinal: number; regardless: boolean }>(
          "SELECT from_ordinal, to_ordinal, regardless FROM maestro.step_edges WHERE org_id = $1 AND plan_id = $2 ORDER BY from_ordinal, to_ordinal",
          [orgId, planId],
        ),
      ]);
      return {
        steps: steps.map(stepRowOf),
        edges: edges.map((e) => ({ from: e.from_ordinal, to: e.to_ordinal, regardless: e.regardless })),
      };
    },
  };
}

interface RawAlike extends Omit<StepsAlike, "heldBack"> {
  readonly held_back: boolean;
}

/** A pattern of keys as LIKE has it; keys hold `_` themselves. */
function likeOf(keys: string): string {
  if (keys === "") return "%";
  return keys
    .replace(/[%_\\]/g, "\\$&")
    .replace(/\*+/g, "%")
    .replaceAll("?", "_");
}

function viewOf(raw: RawView, last: RawAttempt | undefined): StepView {
  return {
    row: stepRowOf(raw),
    definition: parseDefinition(raw.definition),
    input: payloadOf(raw.input),
    last: last === undefined ? null : attemptOf(last),
    usage: amountsOf(raw, "used"),
  };
}
