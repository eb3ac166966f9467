// Goals, with where their plans stand. Not here: what changes them together with their plans (write-changes.ts), nor
// filters (filter.ts).
import { newPlan } from "../../domain/plan.ts";
import type { OrgId } from "../../domain/id.ts";
import type { GoalOrder, GoalQuery, GoalRepository } from "../ports/goals.ts";
import type { PageRequest } from "../ports/paging.ts";
import type { AddedPlan } from "./added-plan.ts";
import { filterText } from "./filter.ts";
import { goalOf } from "./goal-rows.ts";
import type { RawGoal } from "./goal-rows.ts";
import type { Session } from "./transaction.ts";

const COLUMNS =
  "g.org_id, g.plan_id, g.charter_id, g.charter_revision, g.name, g.intent, g.inputs, g.constraints, g.labels, g.attributes, g.state, g.created_ms, " +
  "g.created_by, g.finished_ms, p.active_version, p.steps_total, p.steps_ended, p.steps_succeeded, p.steps_failed";
/** The plan of each goal, looked up by itself. */
const PLAN =
  "CROSS JOIN LATERAL (SELECT * FROM maestro.plans x WHERE x.org_id = g.org_id AND x.plan_id = g.plan_id OFFSET 0) p";

export function createGoalRepository({ run, runOnce, send }: Session, added: AddedPlan): GoalRepository {
  return {
    add: async (goal) => {
      const plan = newPlan(goal);
      added.begin(goal, plan);
      return plan;
    },
    find: async (orgId, planId) => {
      const [row] = await run<RawGoal>(
        `SELECT ${COLUMNS} FROM maestro.goals g ${PLAN} WHERE g.org_id = $1 AND g.plan_id = $2`,
        [orgId, planId],
      );
      return row === undefined ? undefined : goalOf(row);
    },
    setState: async (orgId, planId, state, finishedMs) => {
      if (added.setGoal(planId, state, finishedMs)) return;
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
  const found = `SELECT * FROM maestro.goals g WHERE ${where.join(" AND ")} ORDER BY ${order} LIMIT ${add(limit)}`;
  return { text: `SELECT ${COLUMNS} FROM (${found}) g ${PLAN} ORDER BY ${order}`, parameters };
}
