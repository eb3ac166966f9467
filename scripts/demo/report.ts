// The demo's report, from what the server says happened.
import { writeFileSync } from "node:fs";
import { PlanStateSchema } from "../../gen/maestro/v1/plan_pb.ts";
import { AttemptStateSchema, StepStateSchema } from "../../gen/maestro/v1/step_pb.ts";
import type { Attempt } from "../../gen/maestro/v1/step_pb.ts";
import type { Amounts } from "../../gen/maestro/v1/amounts_pb.ts";
import type { ServerClient } from "../../src/cli/client.ts";
import { allSteps } from "../../src/cli/show.ts";
import { epochMs, msOf, word } from "../../src/cli/words.ts";
import type { Kill } from "./fleet.ts";
import type { Released, Told } from "./promises.ts";

export interface ReportParts {
  readonly planId: string;
  readonly kill: Kill;
  /** From the start of the demo to the first step. */
  readonly firstStepMs: number;
  readonly startedMs: number;
  readonly release: Released;
  readonly file: string;
}

/** Says what happened, in a file and to the caller; whether that is what was promised is judged in promises.ts. */
export async function writeReport(
  client: ServerClient,
  parts: ReportParts,
  say: (text: string) => void,
): Promise<Told> {
  const { planId, kill } = parts;
  const { signal } = new AbortController();
  const steps = await allSteps(client, planId, signal);
  const attempts = new Map<string, Attempt[]>();
  for (const { key } of steps) {
    attempts.set(key, (await client.steps.listAttempts({ planId, step: key, pageSize: 1000 }, { signal })).attempts);
  }
  const { plan } = await client.plans.getPlan({ planId });
  const { trace } = await client.maestro.traceCredit({ planId });
  const last = attempts.get(kill.step)?.at(-1);
  const fencingAfter = Number(last?.fencing ?? 0);
  const survivor = last?.executorId ?? "";
  const names = new Map(trace?.executors.map(({ executorId, name }) => [executorId, name]));
  const report = {
    plan_id: planId,
    goal_id: plan?.goalId,
    state: plan && word(PlanStateSchema, plan.state),
    first_step_after_ms: parts.firstStepMs,
    all_done_after_ms: Date.now() - parts.startedMs,
    realized_ms: msOf(trace?.realized),
    critical_path: trace?.criticalPath,
    kill: {
      step: kill.step,
      executor: kill.executor,
      executor_id: kill.executorId,
      fencing_before: kill.fencing,
      fencing_after: fencingAfter,
      survived_by: names.get(survivor) ?? survivor,
      survived_by_id: survivor,
    },
    // Maestro itself performed the gate.
    executors: (trace?.executors ?? [])
      .filter(isOfFleet)
      .map(({ executorId, name, attempts: count, succeeded, executing, usage }) => ({
        executor_id: executorId,
        name,
        attempts: count,
        succeeded,
        executing_ms: msOf(executing),
        usage: amounts(usage),
      })),
    steps: steps.map(({ key, state, usage }) => ({
      key,
      state: word(StepStateSchema, state),
      usage: amounts(usage),
      attempts: attempts.get(key)?.map(({ attempt, fencing, executorId, state: how, leasedAt, endedAt }) => ({
        attempt,
        fencing: Number(fencing),
        executor: names.get(executorId) ?? executorId,
        state: word(AttemptStateSchema, how),
        ms: (epochMs(endedAt) ?? 0) - (epochMs(leasedAt) ?? 0),
      })),
    })),
    release: parts.release,
    cost: {
      currency: plan?.ledger?.currency,
      spent: amounts(plan?.ledger?.spent),
      overrun: amounts(plan?.ledger?.overrun),
      presumed: amounts(plan?.ledger?.presumed),
    },
  };
  writeFileSync(parts.file, `${JSON.stringify(report, null, 2)}\n`);
  say(
    `step ${kill.step}: fencing ${kill.fencing} on ${kill.executor} before the kill, ${fencingAfter} on ${report.kill.survived_by} after it`,
  );
  return report;
}

/** The demo's executors are named after it. */
function isOfFleet({ name }: { readonly name: string }): boolean {
  return name.startsWith("demo-");
}

function amounts(of: Amounts | undefined): Record<string, number> {
  return {
    tokens: Number(of?.tokens ?? 0n),
    money_micros: Number(of?.moneyMicros ?? 0n),
    wall_ms: msOf(of?.wall),
    energy_joules: Number(of?.energyMillijoules ?? 0n) / 1000,
  };
}
