// Step rows between the table and the domain. Not here: statements.
import type { DemandId, ExecutorId, OrgId, PlanId, SessionId } from "../../domain/id.ts";
import type { StepRow, StepState } from "../../domain/step.ts";
import { amountColumns, amountsOf } from "./columns.ts";
import type { BulkColumn, RawAmounts } from "./columns.ts";

export interface OwnedStep {
  readonly orgId: OrgId;
  readonly row: StepRow;
}

export const STEP_ORDINAL: readonly BulkColumn<StepRow>[] = [
  { name: "ordinal", type: "int", value: (row) => row.ordinal },
];

/** What every lease and outcome changes. */
export const STEP_HOT: readonly BulkColumn<StepRow>[] = [
  { name: "state", type: "text", value: (row) => row.state },
  { name: "waiting_on", type: "int", value: (row) => row.waitingOn },
  { name: "order_key", type: "bigint", value: (row) => row.orderKey },
  { name: "attempt", type: "int", value: (row) => row.attempt },
  { name: "fencing", type: "bigint", value: (row) => row.fencing },
  { name: "executor_id", type: "uuid", value: (row) => row.executorId },
  { name: "session_id", type: "uuid", value: (row) => row.sessionId },
  { name: "lease_until_ms", type: "bigint", value: (row) => row.leaseUntilMs },
  { name: "deadline_ms", type: "bigint", value: (row) => row.deadlineMs },
  { name: "ready_ms", type: "bigint", value: (row) => row.readyMs },
  { name: "started_ms", type: "bigint", value: (row) => row.startedMs },
  { name: "finished_ms", type: "bigint", value: (row) => row.finishedMs },
];

/** What decisions may change besides. */
export const STEP_RARE: readonly BulkColumn<StepRow>[] = [
  { name: "current", type: "boolean", value: (row) => row.current },
  { name: "undoing", type: "boolean", value: (row) => row.undoing },
  { name: "held_back", type: "boolean", value: (row) => row.heldBack },
  { name: "demand_id", type: "uuid", value: (row) => row.demandId },
  { name: "flags", type: "int", value: (row) => row.flags },
  { name: "timeout_ms", type: "bigint", value: (row) => row.timeoutMs },
  { name: "failures", type: "int", value: (row) => row.failures },
  { name: "not_before_ms", type: "bigint", value: (row) => row.notBeforeMs },
];

/** What a row keeps for life. */
const STEP_FIXED: readonly BulkColumn<StepRow>[] = [
  { name: "key", type: "text", value: (row) => row.key },
  { name: "version", type: "int", value: (row) => row.version },
  { name: "boost_ms", type: "int", value: (row) => row.boostMs },
  ...amountColumns<StepRow>("hold", (row) => row.hold),
];

export const STEP_ALL: readonly BulkColumn<OwnedStep>[] = [
  { name: "org_id", type: "uuid", value: ({ orgId }) => orgId },
  { name: "plan_id", type: "uuid", value: ({ row }) => row.planId },
  ...[...STEP_ORDINAL, ...STEP_FIXED, ...STEP_HOT, ...STEP_RARE].map(({ name, type, value }) => ({
    name,
    type,
    value: ({ row }: OwnedStep) => value(row),
  })),
];

/** Columns to select, of alias `s`. */
export const STEP_SELECT = STEP_ALL.map((c) => `s.${c.name}`).join(", ");

/** The same where whoever reads knows the plan: its ids are a tenth of what a step row weighs on the wire. */
export const STEP_SELECT_OF_PLAN = [...STEP_ORDINAL, ...STEP_FIXED, ...STEP_HOT, ...STEP_RARE]
  .map((c) => `s.${c.name}`)
  .join(", ");

/** As read with STEP_SELECT_OF_PLAN. */
export interface RawStepOfPlan extends RawAmounts<"hold"> {
  ordinal: number;
  key: string;
  version: number;
  boost_ms: number;
  current: boolean;
  state: string;
  undoing: boolean;
  held_back: boolean;
  waiting_on: number;
  order_key: number | null;
  demand_id: string;
  flags: number;
  timeout_ms: number;
  attempt: number;
  failures: number;
  fencing: number;
  executor_id: string | null;
  session_id: string | null;
  lease_until_ms: number | null;
  deadline_ms: number | null;
  not_before_ms: number | null;
  ready_ms: number | null;
  started_ms: number | null;
  finished_ms: number | null;
}

export type RawStep = RawStepOfPlan & { readonly org_id: string; readonly plan_id: string };

export function stepRowOf(raw: RawStep): StepRow {
  return stepRowOfPlan(raw, raw.plan_id as PlanId);
}

export function stepRowOfPlan(raw: RawStepOfPlan, planId: PlanId): StepRow {
  return {
    planId,
    ordinal: raw.ordinal,
    key: raw.key,
    version: raw.version,
    current: raw.current,
    state: raw.state as StepState,
    undoing: raw.undoing,
    heldBack: raw.held_back,
    waitingOn: raw.waiting_on,
    orderKey: raw.order_key,
    demandId: raw.demand_id as DemandId,
    boostMs: raw.boost_ms,
    flags: raw.flags,
    timeoutMs: raw.timeout_ms,
    hold: amountsOf(raw, "hold"),
    attempt: raw.attempt,
    failures: raw.failures,
    fencing: raw.fencing,
    executorId: raw.executor_id as ExecutorId | null,
    sessionId: raw.session_id as SessionId | null,
    leaseUntilMs: raw.lease_until_ms,
    deadlineMs: raw.deadline_ms,
    notBeforeMs: raw.not_before_ms,
    readyMs: raw.ready_ms,
    startedMs: raw.started_ms,
    finishedMs: raw.finished_ms,
  };
}
