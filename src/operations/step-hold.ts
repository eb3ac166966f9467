// Holds a step back that has not begun.
import type { Operation } from "../engine/operation.ts";
import type { StepView } from "../store/ports/plans.ts";
import { withStep } from "./with-plan.ts";
import type { StepVerbRequest } from "./with-plan.ts";

export const stepHold: Operation<StepVerbRequest, StepView> = (tx, request, context) =>
  withStep(tx, request, context, "hold");
