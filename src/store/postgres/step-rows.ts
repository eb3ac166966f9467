// Step rows between the table and the domain. Not here: statements.
import type { DemandId, ExecutorId, OrgId, PlanId, SessionId } from "../../domain/id.ts";
import type { StepRow, StepState } from "../../domain/step.ts";
import { amountColumns } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";

export interface OwnedStep {
  readonly orgId: OrgId;
  readonly row: StepRow;
}

export const STEP_KEYS: readonly BulkColumn<OwnedStep>[] = [
  { name: "org_id", type: "uuid", value: (s) => s.orgId },
  { name: "plan_id", type: "uuid", value: (s) => s.row.planId },
  { name: "ordinal", type: "int", value: (s) => s.row.ordinal },
];

/** What decisions may change. */
export const STEP_MUTABLE: readonly BulkColumn<OwnedStep>[] = [
  { name: "current", type: "boolean", value: (s) => s.row.current },
  { name: "state", type: "text", value: (s) => s.row.state },
  { name: "undoing", type: "boolean", value: (s) => s.row.undoing },
  { name: "held_back", type: "boolean", value: (s) => s.row.heldBack },
  { name: "waiting_on", type: "int", value: (s) => s.row.waitingOn },
  { name: "order_key", type: "bigint", value: (s) => s.row.orderKey },
  { name: "demand_id", type: "uuid", value: (s) => s.row.demandId },
  { name: "flags", type: "int", value: (s) => s.row.flags },
  { name: "timeout_ms", type: "bigint", value: (s) => s.row.timeoutMs },
  { name: "attempt", type: "int", value: (s) => s.row.attempt },
  { name: "failures", type: "int", value: (s) => s.row.failures },
  { name: "fencing", type: "bigint", value: (s) => s.row.fencing },
  { name: "executor_id", type: "uuid", value: (s) => s.row.executorId },
  { name: "session_id", type: "uuid", value: (s) => s.row.sessionId },
  { name: "lease_until_ms", type: "bigint", value: (s) => s.row.leaseUntilMs },
  { name: "deadline_ms", type: "bigint", value: (s) => s.row.deadlineMs },
  { name: "not_before_ms", type: "bigint", value: (s) => s.row.notBeforeMs },
  { name: "ready_ms", type: "bigint", value: (s) => s.row.readyMs },
  { name: "started_ms", type: "bigint", value: (s) => s.row.startedMs },
  { name: "finished_ms", type: "bigint", value: (s) => s.row.finishedMs },
];

/** What a row keeps for life. */
export const STEP_FIXED: readonly BulkColumn<OwnedStep>[] = [
  { name: "key", type: "text", value: (s) => s.row.key },
  { name: "version", type: "int", value: (s) => s.row.version },
  { name: "boost_ms", type: "int", value: (s) => s.row.boostMs },
  ...amountColumns<OwnedStep>("hold", (s) => s.row.hold),
];

export const STEP_ALL: readonly BulkColumn<OwnedStep>[] = [...STEP_KEYS, ...STEP_FIXED, ...STEP_MUTABLE];

/** Columns to select, of alias `s`. */
export const STEP_SELECT = STEP_ALL.map((c) => `s.${c.name}`).join(", ");

export interface RawStep {
  org_id: string;
  plan_id: string;
  ordinal: number;
  key: string;
  version: number;
  boost_ms: number;
  hold_tokens: number;
  hold_money: number;
  hold_wall: number;
  hold_energy: number;
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

export function stepRowOf(raw: RawStep): StepRow {
  return {
    planId: raw.plan_id as PlanId,
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
    hold: {
      tokens: raw.hold_tokens,
      moneyMicros: raw.hold_money,
      wallMs: raw.hold_wall,
      energyMillijoules: raw.hold_energy,
    },
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
