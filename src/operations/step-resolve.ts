// Says by hand what a step came to.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { ByHand } from "../domain/plan/by-hand.ts";
import type { StepView } from "../store/ports/plans.ts";
import { changeStep } from "./with-plan.ts";

export interface StepResolveRequest extends Omit<ByHand, "ordinal"> {
  readonly planId: PlanId;
  readonly step: string;
}

export const stepResolve: Operation<StepResolveRequest, StepView> = (tx, { planId, step, ...said }, context) =>
  changeStep(tx, context, planId, step, (ordinal) => ({ kind: "resolve", ordinal, ...said }));
