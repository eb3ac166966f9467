// Runs a step that failed, was refused or backs off again now.
import type { Operation } from "../engine/operation.ts";
import type { StepView } from "../store/ports/plans.ts";
import { withStep } from "./with-plan.ts";
import type { StepVerbRequest } from "./with-plan.ts";

export const stepRetry: Operation<StepVerbRequest, StepView> = (tx, request, context) =>
  withStep(tx, request, context, "retry");
