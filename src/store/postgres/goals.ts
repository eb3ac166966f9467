// Goals, with where their plans stand. Not here: what changes them together with their plans (write-changes.ts), nor
// filters (filter.ts).
import type { Constraints, Goal, GoalState, GoalView } from "../../domain/goal.ts";
import type { CharterId, OrgId, PlanId } from "../../domain/id.ts";
import { payloadOf, payloadText } from "../../domain/payload.ts";
import { newPlan } from "../../domain/plan.ts";
import type { GoalOrder, GoalQuery, GoalRepository } from "../ports/goals.ts";
import type { PageRequest } from "../ports/paging.ts";
import { attributesOf, attributesText, attributeTerm, labelTerm } from "./attributes.ts";
import { insertOneText, valuesOf } from "./bulk.ts";
import { arrayLiteral } from "./columns.ts";
import { filterText } from "./filter.ts";
import { PLAN_ALL } from "./plan-rows.ts";
import type { Session } from "./transaction.ts";

interface RawGoal {
  readonly org_id: string;
  readonly plan_id: string;
  readonly charter_id: string;
  readonly charter_revision: number;
  readonly name: string;
  readonly intent: string;
  readonly inputs: string | null;
  readonly constraints: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly state: string;
  readonly created_ms: number;
  readonly created_by: string;
  readonly finished_ms: number | null;
  readonly active_version: number;
  readonly steps_total: number;
  readonly steps_ended: number;
  readonly steps_succeeded: number;
  readonly steps_failed: number;
}

const SELECT =
  "SELECT g.org_id, g.plan_id, g.charter_id, g.charter_revision, g.name, g.intent, g.inputs, g.constraints, g.labels, g.attributes, g.state, g.created_ms, " +
  "g.created_by, g.finished_ms, p.active_version, p.steps_total, p.steps_ended, p.steps_succeeded, p.steps_failed " +
  "FROM maestro.goals g JOIN maestro.plans p ON p.org_id = g.org_id AND p.plan_id = g.plan_id";

const ADD_PLAN = insertOneText("plans", PLAN_ALL);

const ADD_TERMS =
  "INSERT INTO maestro.goal_terms (org_id, plan_id, term) SELECT $1::uuid, $2::uuid, v.term FROM unnest($3::uuid[]) AS v(term)";

function termsOf(spec: Goal["spec"]): readonly string[] {
  return [
    ...Object.entries(spec.labels).map((entry) => labelTerm(...entry)),
    ...Object.entries(spec.attributes).map((entry) => attributeTerm(...entry)),
  ];
}

export function createGoalRepository({ run, runOnce, send }: Session): GoalRepository {
  return {
    add: async (goal) => {
      const { orgId, planId, charterId, charterRevision, spec, state, createdMs, createdBy, finishedMs } = goal;
      send(
        "INSERT INTO maestro.goals (org_id, plan_id, charter_id, charter_revision, name, intent, inputs, constraints, labels, attributes, state, created_ms, created_by, finished_ms) " +
          "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        [
          orgId,
          planId,
          charterId,
          charterRevision,
          spec.name,
          spec.intent,
          payloadText(spec.inputs),
          JSON.stringify(spec.constraints),
          JSON.stringify(spec.labels),
          attributesText(spec.attributes),
          state,
          createdMs,
          createdBy,
          finishedMs,
        ],
      );
      const plan = newPlan(goal);
      send(ADD_PLAN, valuesOf(PLAN_ALL, plan));
      const terms = termsOf(spec);
      if (terms.length > 0) send(ADD_TERMS, [orgId, planId, arrayLiteral("uuid", terms)]);
      return plan;
    },
    find: async (orgId, planId) => {
      const [row] = await run<RawGoal>(`${SELECT} WHERE g.org_id = $1 AND g.plan_id = $2`, [orgId, planId]);
      return row === undefined ? undefined : goalOf(row);
    },
    setState: async (orgId, planId, state, finishedMs) => {
      send("UPDATE maestro.goals SET state = $3, finished_ms = $4 WHERE org_id = $1 AND plan_id = $2", [
        orgId,
        planId,
        state,
        finishedMs,
      ]);
    },
    query: async (orgId, query, page) => {
      const found: RawGoal[] = [];
      // Goals without an end come last and in an order of their own, so that each part is one walk along an index.
      for (const part of partsOf(query.order, page)) {
        if (found.length >= page.limit) break;
        const { text, parameters } = queryText(orgId, query, part, page.limit - found.length);
        // There is no end of different filters, and a prepared statement stays for as long as its connection.
        const send = query.filter === null ? run : runOnce;
        found.push(...(await send<RawGoal>(text, parameters)));
      }
      return found.map(goalOf);
    },
  };
}

interface Part {
  /** Columns that rows are ordered by, all in one direction. */
  readonly columns: readonly string[];
  readonly descending: boolean;
  readonly only: string | null;
  readonly after: readonly unknown[] | null;
}

/** Indexes: goals_by_time (or goals_by_charter), goals_by_name, goals_by_end, and the primary key for goals without an end. */
function partsOf(order: GoalOrder, page: PageRequest): readonly Part[] {
  const { after } = page;
  const descending = order.endsWith(" desc");
  switch (order) {
    case "created_at":
    case "created_at desc":
      return [{ columns: ["g.created_ms", "g.plan_id"], descending, only: null, after }];
    case "name":
      return [{ columns: ["g.name", "g.plan_id"], descending, only: null, after }];
    case "finished_at":
    case "finished_at desc": {
      const open = { columns: ["g.plan_id"], descending, only: "g.finished_ms IS NULL" };
      if (after?.[0] === null) return [{ ...open, after: after.slice(1) }];
      return [
        { columns: ["g.finished_ms", "g.plan_id"], descending, only: "g.finished_ms IS NOT NULL", after },
        { ...open, after: null },
      ];
    }
  }
}

/** One part of a query as text and parameters. Exported so that its plan can be looked at. */
export function queryText(
  orgId: OrgId,
  query: GoalQuery,
  part: Part,
  limit: number,
): { readonly text: string; readonly parameters: readonly unknown[] } {
  const parameters: unknown[] = [orgId];
  const add = (value: unknown): string => `$${String(parameters.push(value))}`;
  // The predicate of the indexes.
  const where = ["g.org_id = $1", "g.created_ms >= 0"];
  if (query.charterId !== null) where.push(`g.charter_id = ${add(query.charterId)}`);
  if (part.only !== null) where.push(part.only);
  if (query.filter !== null) where.push(filterText(query.filter, add));
  if (part.after !== null)
    where.push(`(${part.columns.join(", ")}) ${part.descending ? "<" : ">"} (${part.after.map(add).join(", ")})`);
  const order = part.columns.map((column) => (part.descending ? `${column} DESC` : column)).join(", ");
  return { text: `${SELECT} WHERE ${where.join(" AND ")} ORDER BY ${order} LIMIT ${add(limit)}`, parameters };
}

export function goalOf(raw: RawGoal): GoalView {
  const goal: Goal = {
    orgId: raw.org_id as OrgId,
    planId: raw.plan_id as PlanId,
    charterId: raw.charter_id as CharterId,
    charterRevision: raw.charter_revision,
    spec: {
      name: raw.name,
      intent: raw.intent,
      inputs: payloadOf(raw.inputs),
      constraints: JSON.parse(raw.constraints) as Constraints,
      labels: raw.labels,
      attributes: attributesOf(raw.attributes),
    },
    state: raw.state as GoalState,
    createdMs: raw.created_ms,
    createdBy: raw.created_by,
    finishedMs: raw.finished_ms,
  };
  const {
    active_version: activeVersion,
    steps_total: stepsTotal,
    steps_ended: stepsEnded,
    steps_succeeded: stepsSucceeded,
    steps_failed: stepsFailed,
  } = raw;
  return { ...goal, activeVersion, stepsTotal, stepsEnded, stepsSucceeded, stepsFailed };
}
