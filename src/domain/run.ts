// Runs: committed plans, and work done elsewhere that is told of; what may be changed of them. Not here: plans, whose states runs of plans follow.
import type { OrgId, PlanId, RunId, WorkflowId } from "./id.ts";
import type { PlanState } from "./plan.ts";

export type RunStatus = "PENDING" | "RUNNING" | "SUCCEEDED" | "FAILED" | "CANCELLED";

/** Status moves only forward; a repeat of what is there changes nothing and is no move. */
export const RUN_TRANSITIONS: Readonly<Record<RunStatus, readonly RunStatus[]>> = {
  PENDING: ["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"],
  RUNNING: ["SUCCEEDED", "FAILED", "CANCELLED"],
  SUCCEEDED: [],
  FAILED: [],
  CANCELLED: [],
};

/** What a plan's state is to its run; null while it was never committed, when there is no run. */
export const STATUS_OF_PLAN: Readonly<Record<PlanState, RunStatus | null>> = {
  UNCOMMITTED: null,
  AWAITING_RATIFICATION: "PENDING",
  ACTIVE: "RUNNING",
  SUSPENDED: "RUNNING",
  COMPENSATING: "RUNNING",
  COMPLETED: "SUCCEEDED",
  FAILED: "FAILED",
  CANCELLED: "CANCELLED",
};

/** A task of the workflow that a run was made from. */
export interface RunTask {
  readonly name: string;
  readonly agentType: string;
  /** Key of its step. */
  readonly step: string;
}

/** A run as it is seen; of a plan's run, status, end and cost are what the plan says at that moment. */
export interface Run {
  readonly orgId: OrgId;
  readonly runId: RunId;
  /** Null for work done elsewhere. */
  readonly planId: PlanId | null;
  readonly name: string;
  readonly owner: string;
  readonly status: RunStatus;
  readonly startedMs: number;
  readonly finishedMs: number | null;
  /** Units of the charter's currency, or of whatever the owner counts in; at least 0. */
  readonly costEstimate: number | null;
  readonly costActual: number | null;
  readonly relatedEntityIds: readonly string[];
  readonly relatedDecisionIds: readonly string[];
  /** JSON text of an object. */
  readonly metadata: string;
  readonly workflowId: WorkflowId | null;
  /** Empty unless it was made from a workflow. */
  readonly tasks: readonly RunTask[];
  /** Name of the charter whose release policy judges it; null for none. */
  readonly charter: string | null;
  readonly createdMs: number;
  readonly createdBy: string;
}

/** Largest cost that is kept: what is beyond is a mistake. */
export const MOST_COST = 1e12;
export const METADATA_LIMIT_BYTES = 65_536;
