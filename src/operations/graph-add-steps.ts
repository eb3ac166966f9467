// Adds steps to a DRAFT version of a goal; a key that is there already is refused.
import type { Operation } from "../engine/operation.ts";
import { STEPS_LIMIT } from "../domain/graph.ts";
import type { GraphVersion } from "../domain/graph.ts";
import type { GoalId } from "../domain/id.ts";
import { decided, invalid } from "../domain/refusal.ts";
import type { StepDefinition } from "../domain/step.ts";
import { goalAtHand } from "./goal-at-hand.ts";
import { addToDraft, findDraft } from "./graph-version.ts";

export interface GraphAddStepsRequest {
  readonly goalId: GoalId;
  readonly version: number;
  readonly steps: readonly StepDefinition[];
}

export const graphAddSteps: Operation<GraphAddStepsRequest, GraphVersion> = async (
  tx,
  { goalId, version, steps },
  context,
) => {
  const at = await goalAtHand(tx, context, goalId);
  if (!at.ok) return at;
  const draft = await findDraft(tx, at.value.plan, version);
  if (!draft.ok) return draft;
  if (draft.value.stepCount + steps.length > STEPS_LIMIT) {
    return invalid({
      field: "steps",
      description: `The graph would have more than ${String(STEPS_LIMIT)} steps.`,
      rule: "graph.too_many_steps",
    });
  }
  const added = await addToDraft(tx, context, at.value, draft.value, steps);
  if (!added.ok) return added;
  await tx.plans.save(added.value.changes);
  return decided({ value: added.value.version, recordId: added.value.recordId });
};
