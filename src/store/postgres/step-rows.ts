// Step rows between the table and the domain. Not here: statements.
import type { DemandId, ExecutorId, PlanId, SessionId } from "../../domain/id.ts";
import type { StepRow, StepState } from "../../domain/step.ts";
import { amountColumns } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";

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

/** All of them, besides the keys of the plan. */
export const STEP_ALL: readonly BulkColumn<StepRow>[] = [...STEP_ORDINAL, ...STEP_FIXED, ...STEP_HOT, ...STEP_RARE];

const OF_PLAN = STEP_ALL.map((c) => c.name);

/** Columns to select, of alias `s`. */
export const STEP_SELECT = ["org_id", "plan_id", ...OF_PLAN].map((name) => `s.${name}`).join(", ");

/** The same where whoever reads knows the plan: its ids are a tenth of what a step row weighs on the wire. */
export const STEP_SELECT_OF_PLAN = OF_PLAN.map((name) => `s.${name}`).join(", ");

/** Values of a row as read with STEP_SELECT_OF_PLAN, by name. */
export type RawStepOfPlan = { readonly ordinal: number } & Readonly<Record<string, unknown>>;
export type RawStep = RawStepOfPlan & { readonly org_id: string; readonly plan_id: string };

export function stepRowOf(raw: RawStep): StepRow {
  return stepRowOfPlan(raw, raw.plan_id as PlanId);
}

export function stepRowOfPlan(raw: RawStepOfPlan, planId: PlanId): StepRow {
  return stepRowOfValues(
    OF_PLAN.map((name) => raw[name]),
    0,
    planId,
  );
}

const at = (name: string): number => {
  const index = OF_PLAN.indexOf(name);
  if (index < 0) throw new Error(`no column ${name}`);
  return index;
};
const AT = {
  ordinal: at("ordinal"),
  key: at("key"),
  version: at("version"),
  current: at("current"),
  state: at("state"),
  undoing: at("undoing"),
  heldBack: at("held_back"),
  waitingOn: at("waiting_on"),
  orderKey: at("order_key"),
  demandId: at("demand_id"),
  boostMs: at("boost_ms"),
  flags: at("flags"),
  timeoutMs: at("timeout_ms"),
  tokens: at("hold_tokens"),
  moneyMicros: at("hold_money"),
  wallMs: at("hold_wall"),
  energyMillijoules: at("hold_energy"),
  attempt: at("attempt"),
  failures: at("failures"),
  fencing: at("fencing"),
  executorId: at("executor_id"),
  sessionId: at("session_id"),
  leaseUntilMs: at("lease_until_ms"),
  deadlineMs: at("deadline_ms"),
  notBeforeMs: at("not_before_ms"),
  readyMs: at("ready_ms"),
  startedMs: at("started_ms"),
  finishedMs: at("finished_ms"),
} as const;

/** From values in the order of STEP_SELECT_OF_PLAN, of which `from` is the first: batches read thousands of rows a second. */
export function stepRowOfValues(values: readonly unknown[], from: number, planId: PlanId): StepRow {
  const ms = (index: number): number | null => values[from + index] as number | null;
  const count = (index: number): number => values[from + index] as number;
  return {
    planId,
    ordinal: count(AT.ordinal),
    key: values[from + AT.key] as string,
    version: count(AT.version),
    current: values[from + AT.current] as boolean,
    state: values[from + AT.state] as StepState,
    undoing: values[from + AT.undoing] as boolean,
    heldBack: values[from + AT.heldBack] as boolean,
    waitingOn: count(AT.waitingOn),
    orderKey: values[from + AT.orderKey] as number | null,
    demandId: values[from + AT.demandId] as DemandId,
    boostMs: count(AT.boostMs),
    flags: count(AT.flags),
    timeoutMs: count(AT.timeoutMs),
    hold: {
      tokens: count(AT.tokens),
      moneyMicros: count(AT.moneyMicros),
      wallMs: count(AT.wallMs),
      energyMillijoules: count(AT.energyMillijoules),
    },
    attempt: count(AT.attempt),
    failures: count(AT.failures),
    fencing: count(AT.fencing),
    executorId: values[from + AT.executorId] as ExecutorId | null,
    sessionId: values[from + AT.sessionId] as SessionId | null,
    leaseUntilMs: ms(AT.leaseUntilMs),
    deadlineMs: ms(AT.deadlineMs),
    notBeforeMs: ms(AT.notBeforeMs),
    readyMs: ms(AT.readyMs),
    startedMs: ms(AT.startedMs),
    finishedMs: ms(AT.finishedMs),
  };
}
