// Ids and their prefixes. Not here: how they are made (support/typeid.ts) and how the store keeps them (as UUIDs).

declare const brand: unique symbol;
/** Text that only the right maker may produce. */
export type Branded<Name extends string> = string & { readonly [brand]: Name };

export type OrgId = Branded<"OrgId">;
export type CharterId = Branded<"CharterId">;
export type GoalId = Branded<"GoalId">;
export type PlanId = Branded<"PlanId">;
export type ExecutorId = Branded<"ExecutorId">;
export type ApprovalId = Branded<"ApprovalId">;
export type KeyId = Branded<"KeyId">;
export type RecordId = Branded<"RecordId">;
export type SessionId = Branded<"SessionId">;
export type DemandId = Branded<"DemandId">;
export type UploadId = Branded<"UploadId">;
/** A goal, its plan and its run share one UUID; runs of work done elsewhere have their own. */
export type RunId = Branded<"RunId">;
export type RunArtifactId = Branded<"RunArtifactId">;
export type PackId = Branded<"PackId">;
export type WorkflowId = Branded<"WorkflowId">;
export type WaiverId = Branded<"WaiverId">;

/**
 * Ids inside the service are plain lower-case UUID texts (the store's form); on every wire they are TypeIDs with
 * these prefixes. A goal and its plan share one UUID: `goalOfPlan` and `planOfGoal` are free.
 */
export const ID_PREFIX = {
  org: "org",
  charter: "charter",
  goal: "goal",
  plan: "plan",
  executor: "exec",
  approval: "appr",
  key: "key",
  record: "rec",
  upload: "upl",
  run: "run",
  runArtifact: "art",
  pack: "pack",
  workflow: "wf",
  waiver: "waiver",
} as const;

export type IdKind = keyof typeof ID_PREFIX;

export function goalOfPlan(planId: PlanId): GoalId {
  return planId as string as GoalId;
}

export function planOfGoal(goalId: GoalId): PlanId {
  return goalId as string as PlanId;
}

export function runOfPlan(planId: PlanId): RunId {
  return planId as string as RunId;
}

/** The plan whose run it would be; a run of work done elsewhere has none under this id. */
export function planOfRun(runId: RunId): PlanId {
  return runId as string as PlanId;
}

/** A plan and the org that owns it; hot statements always name both. */
export interface PlanRef {
  readonly orgId: OrgId;
  readonly planId: PlanId;
}

/** A step in the ready set. */
export interface ReadyStep extends PlanRef {
  readonly ordinal: number;
  readonly demandId: DemandId;
  readonly orderKey: number;
}

/** Makes ids: UUIDv7 from the injected clock and randomness. */
export interface IdMaker {
  uuid(): string;
}
