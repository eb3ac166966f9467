// The statements that add goals, plans and the rows of their steps. Not here: what versions are made of (graph-rows.ts), and what
// decisions write (write-statements.ts).
import type { Goal } from "../../domain/goal.ts";
import type { PlanRow } from "../../domain/plan.ts";
import type { Run } from "../../domain/run.ts";
import type { StepRow } from "../../domain/step.ts";
import type { NewEdge, NewStep } from "../ports/plans.ts";
import { GOAL_COLUMNS } from "./goal-rows.ts";
import { placedInsert, placedOne } from "./placed.ts";
import { PLAN_ALL } from "./plan-rows.ts";
import { RUN_COLUMNS } from "./run-rows.ts";
import { STEP_ALL } from "./step-rows.ts";

/** An input that is known from the start. */
export interface AddedInput {
  readonly ordinal: number;
  readonly input: NonNullable<NewStep["input"]>;
}

export const ADD_GOAL = placedOne<Goal>("goals", GOAL_COLUMNS);
export const ADD_TERMS = placedInsert<string>("goal_terms", [{ name: "term", type: "uuid", value: (term) => term }]);
export const ADD_PLAN = placedOne<PlanRow>("plans", PLAN_ALL);
/** A plan whose commit was sent back has its run already. */
export const ADD_RUN = placedOne<Run>("runs", RUN_COLUMNS, { plan: "run_id", tail: "ON CONFLICT DO NOTHING" });
export const ADD_STEPS = placedInsert<StepRow>("steps", STEP_ALL);
export const ADD_INPUTS = placedInsert<AddedInput>("step_inputs", [
  { name: "ordinal", type: "int", value: (it) => it.ordinal },
  { name: "undoing", type: "boolean", value: () => false },
  { name: "input", type: "text", value: (it) => it.input.text },
  { name: "effective_digest", type: "text", value: (it) => it.input.effectiveDigest },
]);
export const ADD_EDGES = placedInsert<NewEdge>("step_edges", [
  { name: "from_ordinal", type: "int", value: (edge) => edge.from },
  { name: "to_ordinal", type: "int", value: (edge) => edge.to },
  { name: "regardless", type: "boolean", value: (edge) => edge.regardless },
]);

export function inputsOf(steps: readonly NewStep[]): readonly AddedInput[] {
  return steps.flatMap(({ row, input }) => (input === null ? [] : [{ ordinal: row.ordinal, input }]));
}
