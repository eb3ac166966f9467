// Runs a step that failed, was refused or backs off again now, or undoes one again whose compensation failed. Not here: what that
// means, see domain/plan/control.ts.
import type { Operation } from "../engine/operation.ts";
import type { StepState } from "../domain/step.ts";
import type { StepView } from "../store/ports/plans.ts";
import { changeStep, findRow, findStep } from "./with-plan.ts";
import type { StepVerbRequest } from "./with-plan.ts";

export interface StepRetryRequest extends StepVerbRequest {
  /** The row that is meant; zero for whichever there is something to retry in, the current one first. */
  readonly ordinal: number;
}

const TO_RETRY: ReadonlySet<StepState> = new Set(["FAILED", "REFUSED", "BACKING_OFF", "COMPENSATION_FAILED"]);

export const stepRetry: Operation<StepRetryRequest, StepView> = (tx, request, context) => {
  const { planId, step, reason, ordinal: row } = request;
  return changeStep(
    tx,
    context,
    planId,
    step,
    (ordinal) => ({ kind: "retry", ordinal, reason }),
    async () => {
      if (row !== 0) return findRow(tx, context, planId, step, row);
      const current = await findStep(tx, context, planId, step);
      if (current.ok && TO_RETRY.has(current.value.row.state)) return current;
      const [left] = await tx.plans.listDropped(
        context.principal.orgId,
        planId,
        { states: ["COMPENSATION_FAILED"], key: step },
        { limit: 1, after: null },
      );
      return left === undefined ? current : { ok: true, value: left };
    },
  );
};
