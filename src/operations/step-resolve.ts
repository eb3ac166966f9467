// Says by hand what a step came to.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { ByHand } from "../domain/plan/by-hand.ts";
import type { StepView } from "../store/ports/plans.ts";
import { changeStep, findRow, findStep } from "./with-plan.ts";

export interface StepResolveRequest extends ByHand {
  readonly planId: PlanId;
  readonly step: string;
  /** The row that is meant; zero for the current one. */
  readonly ordinal: number;
}

export const stepResolve: Operation<StepResolveRequest, StepView> = (tx, request, context) => {
  const { planId, step, ordinal: row, ...said } = request;
  return changeStep(
    tx,
    context,
    planId,
    step,
    (ordinal) => ({ kind: "resolve", ordinal, ...said }),
    () => (row === 0 ? findStep(tx, context, planId, step) : findRow(tx, context, planId, step, row)),
  );
};
