// Traces credit and blame for a leg of a plan that has ended. Not here: what is concluded from its history, see domain/credit/.
import type { Operation } from "../engine/operation.ts";
import type { CreditInput, Planned } from "../domain/credit/leg.ts";
import type { CreditTrace } from "../domain/credit/trace.ts";
import type { PlanId } from "../domain/id.ts";
import type { Failure } from "../domain/outcome.ts";
import { planHasEnded } from "../domain/plan.ts";
import { failsPlan } from "../domain/plan/failure.ts";
import type { PlanRow } from "../domain/plan.ts";
import { GATEKEEPER } from "../domain/gate.ts";
import { decided, notFound, refused } from "../domain/refusal.ts";
import { hasEnded } from "../domain/step.ts";
import type { StepRow } from "../domain/step.ts";
import type { Tx } from "../store/ports/store.ts";
import { mapGently } from "./gently.ts";
import { executorsOf } from "./goal-at-hand.ts";
import type { HeavyWork } from "./heavy-work.ts";

export interface CreditTraceRequest {
  readonly planId: PlanId;
  /** Key of the step whose leg is traced; empty for the whole plan. */
  readonly step: string;
}
export interface CreditTraceResponse {
  readonly trace: CreditTrace;
  /** Names of the executors in it, by id. */
  readonly names: ReadonlyMap<string, string>;
}

export function creditTrace(heavy: HeavyWork): Operation<CreditTraceRequest, CreditTraceResponse> {
  return async (tx, { planId, step }, context) => {
    const { orgId } = context.principal;
    const plan = await tx.plans.find(orgId, planId);
    if (plan === undefined || plan.committedMs === null) return notFound("plan", planId);
    const { steps, edges } = await tx.plans.allSteps(orgId, planId);
    const target = steps.find((row) => row.key === step);
    if (step !== "" && target === undefined) return notFound("step", step);
    if (target === undefined ? !planHasEnded(plan.state) : !hasEnded(target.state)) {
      const state = target?.state ?? plan.state;
      return refused(
        "STATE_CONFLICT",
        `The ${target === undefined ? "plan" : `leg of step ${step}`} has not ended: it is ${state}.`,
        {
          metadata: { kind: target === undefined ? "plan" : "step", id: target === undefined ? planId : step, state },
        },
      );
    }
    const input: CreditInput = {
      planId,
      version: plan.activeVersion,
      planState: plan.state,
      committedMs: plan.committedMs,
      recordSeq: plan.recordSeq,
      step: step === "" ? null : step,
      steps: steps.map(({ ordinal, key, state, flags, readyMs, finishedMs }) => ({
        ordinal,
        key,
        state,
        flags,
        readyMs,
        finishedMs,
      })),
      edges,
      attempts: (await tx.plans.allAttempts(orgId, planId)).map((a) => ({
        ordinal: a.ordinal,
        fencing: a.fencing,
        undoing: a.undoing,
        state: a.state,
        executorId: a.executorId,
        readyMs: a.readyMs,
        leasedMs: a.leasedMs,
        endedMs: a.endedMs,
        failure: a.failure,
        usage: a.usage,
      })),
      planned: await plannedSteps(tx, plan),
      failures: await failuresWithoutAttempt(tx, plan, steps),
    };
    const executors = await executorsOf(tx, orgId);
    return decided({
      later: async () => {
        const trace = await heavy.credit(input, context);
        if (trace === undefined) return notFound("step", step);
        const wanted = new Set<string>(trace.executors.map((e) => e.executorId));
        const names = new Map([
          [GATEKEEPER, "maestro"],
          ...executors
            .filter((e) => wanted.has(e.executorId))
            .map((e) => [e.executorId as string, e.spec.name] as const),
        ]);
        return decided({ trace, names });
      },
    });
  };
}

async function plannedSteps(tx: Tx, plan: PlanRow): Promise<ReadonlyMap<string, Planned>> {
  const steps = await tx.graphs.steps(plan.orgId, plan.planId, plan.activeVersion);
  return new Map(
    await mapGently(steps, ({ definition, earliestMs }) => [
      definition.key,
      { likelyMs: definition.estimate?.likelyMs ?? 0, earliestMs, failsPlan: failsPlan(definition) },
    ]),
  );
}

/** A step whose condition, references or schema failed has no attempt; its failure is in the plan's records. */
async function failuresWithoutAttempt(
  tx: Tx,
  plan: PlanRow,
  steps: readonly StepRow[],
): Promise<ReadonlyMap<number, Failure>> {
  const wanted = new Set(steps.filter((row) => row.state === "FAILED" && row.attempt === 0).map((row) => row.ordinal));
  const failures = new Map<number, Failure>();
  for (let after = 0; wanted.size > failures.size;) {
    const records = await tx.records.ofPlan(plan.orgId, plan.planId, after, 1_000);
    for (const record of records) {
      after = record.seq;
      if (record.kind !== "step.failed") continue;
      const body = JSON.parse(record.body) as {
        readonly ordinal: number;
        readonly error_class: Failure["errorClass"];
        readonly message: string;
      };
      if (wanted.has(body.ordinal))
        failures.set(body.ordinal, { errorClass: body.error_class, message: body.message, details: "" });
    }
    if (records.length < 1_000) break;
  }
  return failures;
}
