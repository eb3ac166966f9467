// Loads all rows of a plan, for a commit that takes another version's place. Not here: the parts that decisions ask for, see slice.ts.
import type { PlanSlice } from "../../domain/plan/slice.ts";
import type { StepRow } from "../../domain/step.ts";
import { inPages, PAGE } from "./pages.ts";
import { addChildren } from "./slice.ts";
import type { RawEdge } from "./slice.ts";
import { STEP_SELECT_OF_PLAN, stepRowOfPlan } from "./step-rows.ts";
import type { RawStepOfPlan } from "./step-rows.ts";
import type { Run } from "./transaction.ts";

const STEPS = `SELECT ${STEP_SELECT_OF_PLAN} FROM maestro.steps s WHERE s.org_id = $1 AND s.plan_id = $2 AND s.ordinal > $3 ORDER BY s.ordinal LIMIT $4`;
const EDGES =
  "SELECT from_ordinal, to_ordinal, regardless FROM maestro.step_edges WHERE org_id = $1 AND plan_id = $2 AND (from_ordinal, to_ordinal) > ($3, $4) " +
  "ORDER BY from_ordinal, to_ordinal LIMIT $5";

/** Completes a slice with every step and edge of its plan. Locks: the caller holds the plan row, so that pages fit together. */
export async function loadWhole(run: Run, slice: PlanSlice): Promise<void> {
  const { orgId, planId } = slice.plan;
  const [steps, edges] = await Promise.all([
    inPages<RawStepOfPlan, StepRow>(
      (after) => run<RawStepOfPlan>(STEPS, [orgId, planId, after?.ordinal ?? 0, PAGE]),
      (raw) => stepRowOfPlan(raw, planId),
    ),
    inPages<RawEdge, RawEdge>(
      (after) => run<RawEdge>(EDGES, [orgId, planId, after?.from_ordinal ?? 0, after?.to_ordinal ?? 0, PAGE]),
      (raw) => raw,
    ),
  ]);
  for (const row of steps) slice.steps.set(row.ordinal, row);
  addChildren(slice, edges, []);
  slice.whole = true;
}
