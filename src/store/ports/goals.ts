// Goals in the store. Their states change with their plans, see plans.ts.
import type { Filter } from "../../domain/filter/filter.ts";
import type { Goal, GoalState, GoalView } from "../../domain/goal.ts";
import type { CharterId, OrgId, PlanId } from "../../domain/id.ts";
import type { PlanRow } from "../../domain/plan.ts";
import type { PageRequest } from "./paging.ts";

export type GoalOrder = "created_at desc" | "created_at" | "name" | "finished_at desc" | "finished_at";

export interface GoalQuery {
  readonly charterId: CharterId | null;
  readonly filter: Filter | null;
  readonly order: GoalOrder;
}

export interface GoalRepository {
  /** Adds a goal together with its plan row (see newPlan), which is as good as locked until the transaction ends: nobody else sees it. */
  add(goal: Goal): Promise<PlanRow>;
  find(orgId: OrgId, planId: PlanId): Promise<GoalView | undefined>;
  setState(orgId: OrgId, planId: PlanId, state: GoalState, finishedMs: number | null): Promise<void>;
  /** Sort keys: [created_ms, plan_id], [name, plan_id] or [finished_ms, plan_id]; goals without an end come last. Indexed for every order. */
  query(orgId: OrgId, query: GoalQuery, page: PageRequest): Promise<readonly GoalView[]>;
}
