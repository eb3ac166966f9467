// Runs: committed plans, and work done elsewhere that is told of; what may be changed of them. Not here: plans, whose states runs of plans follow.
import type { OrgId, PlanId, RunId, WorkflowId } from "./id.ts";
import type { PlanState } from "./plan.ts";
import { decided, invalid, refused } from "./refusal.ts";
import type { Decision } from "./refusal.ts";
import type { StepState } from "./step.ts";

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

/** Where a task stands: its step, once there is one. */
export interface TaskRun extends RunTask {
  readonly status: RunStatus;
  /** When its newest attempt began. */
  readonly startedMs: number | null;
  readonly finishedMs: number | null;
}

/** What the state of its step is to a task. What was begun is under way until it ends; what was undone or left out is called off. */
export function taskStatus(state: StepState, attempt: number): RunStatus {
  switch (state) {
    case "SUCCEEDED":
      return "SUCCEEDED";
    case "FAILED":
    case "REFUSED":
      return "FAILED";
    case "SKIPPED":
    case "CANCELLED":
    case "COMPENSATING":
    case "COMPENSATED":
    case "COMPENSATION_FAILED":
      return "CANCELLED";
    case "LEASED":
    case "STOPPING":
      return "RUNNING";
    case "PENDING":
    case "WAITING":
    case "AWAITING_APPROVAL":
    case "READY":
    case "BACKING_OFF":
      return attempt > 0 ? "RUNNING" : "PENDING";
  }
}

/** A run as it is seen; of a plan's run, status, end and cost are what the plan says at that moment. */
export interface Run {
  readonly orgId: OrgId;
  readonly runId: RunId;
  /** Null for work done elsewhere. */
  readonly planId: PlanId | null;
  readonly name: string;
  readonly owner: string;
  /** Whoever owned it before: like its owner, they waive nothing of it. Each once, and none of them is shown. */
  readonly pastOwners: readonly string[];
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
  /** Where they stand; only of a run that is shown. */
  readonly taskRuns?: readonly TaskRun[];
  /** Name of the charter whose release policy judges it; null for none. */
  readonly charter: string | null;
  readonly createdMs: number;
  readonly createdBy: string;
}

/** A run changes hands no more often than that: they are kept for as long as it is. */
export const MOST_PAST_OWNERS = 100;
/** Largest cost that is kept: what is beyond is a mistake. */
export const MOST_COST = 1e12;
export const METADATA_LIMIT_BYTES = 65_536;

/** What a run of work done elsewhere is told with; null for what was not said. */
export interface RunDraft {
  readonly name: string;
  readonly owner: string;
  readonly status: RunStatus | null;
  readonly startedMs: number | null;
  readonly finishedMs: number | null;
  readonly costEstimate: number | null;
  readonly costActual: number | null;
  readonly relatedEntityIds: readonly string[];
  readonly relatedDecisionIds: readonly string[];
  readonly metadata: string;
}

/** What is to be changed of a run; null stays. */
export type RunChange = { readonly [Field in Exclude<keyof RunDraft, "startedMs">]: RunDraft[Field] | null };

type RunIdentity = Pick<Run, "orgId" | "runId" | "charter" | "createdMs" | "createdBy">;

export function hasEnded(status: RunStatus): boolean {
  return RUN_TRANSITIONS[status].length === 0;
}

/** A run of work done elsewhere, as it is first told of. */
export function newRun(draft: RunDraft, identity: RunIdentity): Decision<Run> {
  const status = draft.status ?? "PENDING";
  const startedMs = draft.startedMs ?? Math.min(identity.createdMs, draft.finishedMs ?? identity.createdMs);
  return inOrder({
    ...draft,
    ...identity,
    planId: null,
    pastOwners: [],
    status,
    startedMs,
    finishedMs: draft.finishedMs ?? endOf(status, startedMs, identity.createdMs),
    workflowId: null,
    tasks: [],
  });
}

/** The run as it is after a change. What a plan's run has from its plan is nobody's to set. */
export function changedRun(run: Run, change: RunChange, nowMs: number): Decision<Run> {
  const { status, finishedMs, costActual } = change;
  if (run.planId !== null && (status !== null || finishedMs !== null || costActual !== null)) {
    return refused("STATE_CONFLICT", "Status, end and actual cost of this run are those of its plan.", {
      rule: "run.of_plan",
      metadata: { kind: "run", id: run.runId, state: run.status, plan_id: run.planId },
      remedy: "Report the outcomes of its steps, or cancel the plan.",
    });
  }
  const next = status ?? run.status;
  if (next !== run.status && !RUN_TRANSITIONS[run.status].includes(next)) {
    return refused(
      "STATE_CONFLICT",
      `The run is ${run.status.toLowerCase()} and cannot become ${next.toLowerCase()}: status only moves forward.`,
      {
        rule: "run.status",
        metadata: { kind: "run", id: run.runId, state: run.status },
        remedy: "Make a new run.",
      },
    );
  }
  const said = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== null)) as Partial<Run>;
  const pastOwners = ownersBefore(run, change.owner ?? run.owner);
  if (pastOwners.length > MOST_PAST_OWNERS) {
    return refused("STATE_CONFLICT", `The run had ${String(MOST_PAST_OWNERS)} owners before, and can have no other.`, {
      rule: "run.owners",
      metadata: { kind: "run", id: run.runId, state: run.status },
      remedy: "Make a new run.",
    });
  }
  const changed: Run = { ...run, ...said, pastOwners };
  if (run.planId !== null) return decided(changed);
  return inOrder({ ...changed, finishedMs: changed.finishedMs ?? endOf(next, run.startedMs, nowMs) });
}

function ownersBefore({ owner, pastOwners }: Run, next: string): readonly string[] {
  return next === owner || pastOwners.includes(owner) ? pastOwners : [...pastOwners, owner];
}

/** A run that ends without a time ends now, and never before it began. */
function endOf(status: RunStatus, startedMs: number, nowMs: number): number | null {
  return hasEnded(status) ? Math.max(startedMs, nowMs) : null;
}

function inOrder(run: Run): Decision<Run> {
  const { startedMs, finishedMs } = run;
  if (finishedMs === null || finishedMs >= startedMs) return decided(run);
  // Said in whole seconds, as `date` does: the second in which it began is not before it, and what was said is kept.
  if (finishedMs === Math.floor(startedMs / 1_000) * 1_000) return decided(run);
  return invalid({ field: "finished_at", description: "must not be before started_at", rule: "run.end" });
}
