// The run of a plan as its first commit makes it. Not here: what may be changed of it later, see run.ts.
import type { Goal } from "./goal.ts";
import { runOfPlan } from "./id.ts";
import type { Run } from "./run.ts";

/** What may be said of a plan's run when it is made. */
export type PlanRunTerms = Partial<
  Pick<
    Run,
    | "name"
    | "owner"
    | "costEstimate"
    | "relatedEntityIds"
    | "relatedDecisionIds"
    | "metadata"
    | "workflowId"
    | "tasks"
    | "createdBy"
  >
>;

/** Named after the goal and owned by its creator, unless somebody says otherwise. What follows the plan is read from the plan. */
export function newRunOf({ orgId, planId, spec, createdMs, createdBy }: Goal, terms: PlanRunTerms = {}): Run {
  return {
    orgId,
    runId: runOfPlan(planId),
    planId,
    name: spec.name,
    owner: createdBy,
    pastOwners: [],
    status: "PENDING",
    startedMs: createdMs,
    finishedMs: null,
    costEstimate: null,
    costActual: null,
    relatedEntityIds: [],
    relatedDecisionIds: [],
    metadata: "{}",
    workflowId: null,
    tasks: [],
    charter: null,
    createdMs,
    createdBy,
    ...terms,
  };
}
