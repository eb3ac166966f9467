// `maestro cancel`, `suspend` and `resume`, and what is done to single steps: `retry`, `hold`, `release`, `skip`. Each is one
// call, safe to repeat. Not here: re-planning, see replan.ts.
import { PlanSchema, PlanStateSchema } from "../../../gen/maestro/v1/plan_pb.ts";
import type { Plan } from "../../../gen/maestro/v1/plan_pb.ts";
import { StepSchema, StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import type { Step } from "../../../gen/maestro/v1/step_pb.ts";
import type { ServerClient } from "../client.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { harmless } from "../table.ts";
import { planIdOf } from "../target.ts";
import { word } from "../words.ts";

interface PlanRequest {
  readonly planId: string;
  readonly reason: string;
  readonly idempotencyKey: string;
}

interface StepRequest extends PlanRequest {
  readonly step: string;
}

interface CallOptions {
  readonly signal: AbortSignal;
}

type PlanCall = (
  client: ServerClient,
  request: PlanRequest,
  options: CallOptions,
) => Promise<{ readonly plan?: Plan | undefined }>;

type StepCall = (
  client: ServerClient,
  request: StepRequest,
  options: CallOptions,
) => Promise<{ readonly step?: Step | undefined }>;

export const suspendPlan: PlanCall = ({ plans }, request, options) => plans.suspendPlan(request, options);
export const resumePlan: PlanCall = ({ plans }, request, options) => plans.resumePlan(request, options);
export const cancelPlan =
  (compensate: boolean): PlanCall =>
  ({ plans }, request, options) =>
    plans.cancelPlan({ ...request, compensate }, options);

/** Calls by the number of the row that is meant; zero for none in particular. */
type StepCallOfRow = (ordinal: number) => StepCall;
export const retryStep: StepCallOfRow =
  (ordinal) =>
  ({ steps }, request, options) =>
    steps.retryStep({ ...request, ordinal }, options);
export const holdStep: StepCallOfRow =
  () =>
  ({ steps }, request, options) =>
    steps.holdStep(request, options);
export const releaseStep: StepCallOfRow =
  () =>
  ({ steps }, request, options) =>
    steps.releaseStep(request, options);
export const skipStep: StepCallOfRow =
  () =>
  ({ steps }, request, options) =>
    steps.skipStep(request, options);

export async function actOnPlan(
  call: PlanCall,
  named: string,
  reason: string,
  { io, json, quiet, withClient }: Context,
): Promise<void> {
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    const { plan } = await call(client, { planId, reason, idempotencyKey: client.newKey() }, { signal: io.signal });
    if (plan === undefined) throw new Error("the server does not say what became of the plan");
    if (json) io.out(jsonLine(PlanSchema, plan));
    else if (!quiet) io.out(`${plan.planId} is ${word(PlanStateSchema, plan.state)}\n`);
  });
}

export async function actOnStep(
  call: StepCall,
  named: string,
  key: string,
  reason: string,
  /** What the state alone does not say. */
  besides: string,
  { io, json, quiet, withClient }: Context,
): Promise<void> {
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    const request = { planId, step: key, reason, idempotencyKey: client.newKey() };
    const { step } = await call(client, request, { signal: io.signal });
    if (step === undefined) throw new Error("the server does not say what became of the step");
    if (json) io.out(jsonLine(StepSchema, step));
    else if (!quiet)
      io.out(`${harmless(`${step.key} of ${planId} is ${word(StepStateSchema, step.state)}${besides}`)}\n`);
  });
}
