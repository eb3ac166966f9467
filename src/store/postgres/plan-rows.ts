// Plan rows between the table and the domain. Not here: statements.
import type { CharterId, OrgId, PlanId } from "../../domain/id.ts";
import type { PlanRow, PlanState } from "../../domain/plan.ts";
import { amountColumns, amountsOf } from "./columns.ts";
import type { BulkColumn, RawAmounts } from "./columns.ts";

/** What every lease and outcome changes. */
export const PLAN_HOT: readonly BulkColumn<PlanRow>[] = [
  { name: "state", type: "text", value: (p) => p.state },
  { name: "rev", type: "bigint", value: (p) => p.rev },
  { name: "record_seq", type: "bigint", value: (p) => p.recordSeq },
  ...amountColumns<PlanRow>("held", (p) => p.account.held),
  ...amountColumns<PlanRow>("spent", (p) => p.account.spent),
  { name: "steps_ended", type: "int", value: (p) => p.stepsEnded },
  { name: "steps_succeeded", type: "int", value: (p) => p.stepsSucceeded },
  { name: "steps_running", type: "int", value: (p) => p.stepsRunning },
  { name: "finished_ms", type: "bigint", value: (p) => p.finishedMs },
];

/** What decisions may change besides. */
export const PLAN_RARE: readonly BulkColumn<PlanRow>[] = [
  { name: "ending", type: "text", value: (p) => p.ending },
  { name: "compensate", type: "boolean", value: (p) => p.compensate },
  { name: "reason", type: "text", value: (p) => p.reason },
  ...amountColumns<PlanRow>("overrun", (p) => p.account.overrun),
  ...amountColumns<PlanRow>("presumed", (p) => p.account.presumed),
  { name: "steps_failed", type: "int", value: (p) => p.stepsFailed },
  { name: "steps_starved", type: "int", value: (p) => p.stepsStarved },
  { name: "newest_version", type: "int", value: (p) => p.newestVersion },
  { name: "active_version", type: "int", value: (p) => p.activeVersion },
  { name: "pending_version", type: "int", value: (p) => p.pendingVersion },
  { name: "next_ordinal", type: "int", value: (p) => p.nextOrdinal },
  { name: "currency", type: "text", value: (p) => p.account.currency },
  ...amountColumns<PlanRow>("allotted", (p) => p.account.allotted),
  { name: "steps_total", type: "int", value: (p) => p.stepsTotal },
  { name: "min_trust", type: "float8", value: (p) => p.minTrust },
  { name: "traceparent", type: "text", value: (p) => p.traceparent },
  { name: "committed_ms", type: "bigint", value: (p) => p.committedMs },
  { name: "deadline_ms", type: "bigint", value: (p) => p.deadlineMs },
];

const PLAN_FIXED: readonly BulkColumn<PlanRow>[] = [
  { name: "charter_id", type: "uuid", value: (p) => p.charterId },
  { name: "charter_revision", type: "int", value: (p) => p.charterRevision },
  { name: "created_ms", type: "bigint", value: (p) => p.createdMs },
];

/** All of them, besides the keys. */
export const PLAN_ALL: readonly BulkColumn<PlanRow>[] = [...PLAN_FIXED, ...PLAN_RARE, ...PLAN_HOT];

/** Columns to select, of alias `p`. */
export const PLAN_SELECT = ["org_id", "plan_id", ...PLAN_ALL.map((c) => c.name)].map((name) => `p.${name}`).join(", ");

export type RawPlan = {
  org_id: string;
  plan_id: string;
  charter_id: string;
  charter_revision: number;
  created_ms: number;
  newest_version: number;
  active_version: number;
  pending_version: number;
  next_ordinal: number;
  currency: string;
  steps_total: number;
  min_trust: number;
  traceparent: string;
  committed_ms: number | null;
  deadline_ms: number | null;
  state: string;
  rev: number;
  record_seq: number;
  ending: string | null;
  compensate: boolean;
  reason: string;
  steps_ended: number;
  steps_succeeded: number;
  steps_failed: number;
  steps_running: number;
  steps_starved: number;
  finished_ms: number | null;
} & RawAmounts<"held" | "spent" | "overrun" | "presumed"> & {
    [Column in keyof RawAmounts<"allotted">]: number | null;
  };

export function planRowOf(raw: RawPlan): PlanRow {
  return {
    orgId: raw.org_id as OrgId,
    planId: raw.plan_id as PlanId,
    charterId: raw.charter_id as CharterId,
    charterRevision: raw.charter_revision,
    state: raw.state as PlanState,
    rev: raw.rev,
    recordSeq: raw.record_seq,
    newestVersion: raw.newest_version,
    activeVersion: raw.active_version,
    pendingVersion: raw.pending_version,
    nextOrdinal: raw.next_ordinal,
    ending: raw.ending as PlanRow["ending"],
    compensate: raw.compensate,
    reason: raw.reason,
    account: {
      currency: raw.currency,
      allotted: {
        tokens: raw.allotted_tokens,
        moneyMicros: raw.allotted_money,
        wallMs: raw.allotted_wall,
        energyMillijoules: raw.allotted_energy,
      },
      held: amountsOf(raw, "held"),
      spent: amountsOf(raw, "spent"),
      overrun: amountsOf(raw, "overrun"),
      presumed: amountsOf(raw, "presumed"),
    },
    stepsTotal: raw.steps_total,
    stepsEnded: raw.steps_ended,
    stepsSucceeded: raw.steps_succeeded,
    stepsFailed: raw.steps_failed,
    stepsRunning: raw.steps_running,
    stepsStarved: raw.steps_starved,
    minTrust: raw.min_trust,
    traceparent: raw.traceparent,
    createdMs: raw.created_ms,
    committedMs: raw.committed_ms,
    deadlineMs: raw.deadline_ms,
    finishedMs: raw.finished_ms,
  };
}
