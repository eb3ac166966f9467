// Finds goals by charter, labels, attributes and state. Not here: the filter's language, see domain/filter/.
import type { Operation } from "../engine/operation.ts";
import { parseFilter } from "../domain/filter/parse.ts";
import type { GoalView } from "../domain/goal.ts";
import { invalid, notFound } from "../domain/refusal.ts";
import type { GoalOrder } from "../store/ports/goals.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page, SortKey } from "./page.ts";

export interface QueryGoalsRequest {
  /** Name, or id as UUID text; empty for all. */
  readonly charter: string;
  /** CEL; empty for all. */
  readonly filter: string;
  /** Empty for the newest first. */
  readonly orderBy: string;
  readonly page: PageRequest;
}

const ORDERS: Readonly<Record<string, GoalOrder>> = {
  "": "created_at desc",
  "created_at desc": "created_at desc",
  created_at: "created_at",
  name: "name",
  "finished_at desc": "finished_at desc",
  finished_at: "finished_at",
};

export const queryGoals: Operation<QueryGoalsRequest, Page<GoalView>> = async (
  tx,
  { charter, filter, orderBy, page },
  context,
) => {
  const { orgId } = context.principal;
  const order = Object.hasOwn(ORDERS, orderBy) ? ORDERS[orderBy] : undefined;
  if (order === undefined)
    return invalid({
      field: "order_by",
      description: `must be one of: ${Object.keys(ORDERS)
        .filter((o) => o !== "")
        .join(", ")}`,
      rule: "query.order",
    });
  const parsed = parseFilter(filter);
  if (!parsed.ok) return parsed;
  const under = charter === "" ? null : await tx.charters.find(orgId, charter);
  if (under === undefined) return notFound("charter", charter);
  const goals = await tx.goals.query(
    orgId,
    { charterId: under?.charterId ?? null, filter: parsed.value, order },
    oneMore(page),
  );
  return read(pageOf(goals, page, sortKeyOf(order)));
};

function sortKeyOf(order: GoalOrder): (goal: GoalView) => SortKey {
  if (order === "name") return (goal) => [goal.spec.name, goal.planId];
  if (order === "finished_at" || order === "finished_at desc") return (goal) => [goal.finishedMs, goal.planId];
  return (goal) => [goal.createdMs, goal.planId];
}
