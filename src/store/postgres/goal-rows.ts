// Goal rows between the table and the domain. Not here: statements that read them (goals.ts) and that write them (plan-inserts.ts,
// write-changes.ts).
import type { Constraints, Goal, GoalState, GoalView } from "../../domain/goal.ts";
import type { CharterId, OrgId, PlanId } from "../../domain/id.ts";
import { payloadOf, payloadText } from "../../domain/payload.ts";
import { attributesOf, attributesText, attributeTerm, labelTerm } from "./attributes.ts";
import type { BulkColumn } from "./columns.ts";

/** Columns besides the keys. */
export const GOAL_COLUMNS: readonly BulkColumn<Goal>[] = [
  { name: "charter_id", type: "uuid", value: (goal) => goal.charterId },
  { name: "charter_revision", type: "int", value: (goal) => goal.charterRevision },
  { name: "name", type: "text", value: ({ spec }) => spec.name },
  { name: "intent", type: "text", value: ({ spec }) => spec.intent },
  { name: "inputs", type: "text", value: ({ spec }) => payloadText(spec.inputs) },
  { name: "constraints", type: "text", value: ({ spec }) => JSON.stringify(spec.constraints) },
  { name: "labels", type: "jsonb", value: ({ spec }) => JSON.stringify(spec.labels) },
  { name: "attributes", type: "jsonb", value: ({ spec }) => attributesText(spec.attributes) },
  { name: "state", type: "text", value: (goal) => goal.state },
  { name: "created_ms", type: "bigint", value: (goal) => goal.createdMs },
  { name: "created_by", type: "text", value: (goal) => goal.createdBy },
  { name: "finished_ms", type: "bigint", value: (goal) => goal.finishedMs },
];

/** What a goal is found by in queries with a filter. */
export function termsOf(spec: Goal["spec"]): readonly string[] {
  return [
    ...Object.entries(spec.labels).map((entry) => labelTerm(...entry)),
    ...Object.entries(spec.attributes).map((entry) => attributeTerm(...entry)),
  ];
}

export interface RawGoal {
  readonly org_id: string;
  readonly plan_id: string;
  readonly charter_id: string;
  readonly charter_revision: number;
  readonly name: string;
  readonly intent: string;
  readonly inputs: string | null;
  readonly constraints: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly state: string;
  readonly created_ms: number;
  readonly created_by: string;
  readonly finished_ms: number | null;
  readonly active_version: number;
  readonly steps_total: number;
  readonly steps_ended: number;
  readonly steps_succeeded: number;
  readonly steps_failed: number;
}

export function goalOf(raw: RawGoal): GoalView {
  const goal: Goal = {
    orgId: raw.org_id as OrgId,
    planId: raw.plan_id as PlanId,
    charterId: raw.charter_id as CharterId,
    charterRevision: raw.charter_revision,
    spec: {
      name: raw.name,
      intent: raw.intent,
      inputs: payloadOf(raw.inputs),
      constraints: JSON.parse(raw.constraints) as Constraints,
      labels: raw.labels,
      attributes: attributesOf(raw.attributes),
    },
    state: raw.state as GoalState,
    createdMs: raw.created_ms,
    createdBy: raw.created_by,
    finishedMs: raw.finished_ms,
  };
  const {
    active_version: activeVersion,
    steps_total: stepsTotal,
    steps_ended: stepsEnded,
    steps_succeeded: stepsSucceeded,
    steps_failed: stepsFailed,
  } = raw;
  return { ...goal, activeVersion, stepsTotal, stepsEnded, stepsSucceeded, stepsFailed };
}
