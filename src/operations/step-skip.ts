// Skips a step that has not begun, with the steps that need its success.
import type { Operation } from "../engine/operation.ts";
import type { StepView } from "../store/ports/plans.ts";
import { withStep } from "./with-plan.ts";
import type { StepVerbRequest } from "./with-plan.ts";

export const stepSkip: Operation<StepVerbRequest, StepView> = (tx, request, context) =>
  withStep(tx, request, context, "skip");
