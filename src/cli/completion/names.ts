// Names that a server knows, for completion: plans, goals, steps, executors, keys, questions, runs. Quick, and silent when no server
// answers. Not here: what is offered without a server, see complete.ts.
import { ApprovalStateSchema } from "../../../gen/maestro/v1/approval_pb.ts";
import { GoalStateSchema } from "../../../gen/maestro/v1/goal_pb.ts";
import { PlanStateSchema } from "../../../gen/maestro/v1/plan_pb.ts";
import { StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import type { ServerClient } from "../client.ts";
import { contextOf } from "../context.ts";
import type { CliIo } from "../io.ts";
import { OPERATIONS } from "../services.ts";
import { planIdOf } from "../target.ts";
import { word } from "../words.ts";
import type { Candidate, Lookup, Source } from "./complete.ts";
import { RELEASE_SOURCES, runs } from "./release-names.ts";

/** Whoever presses a key does not wait longer. */
const PATIENCE_MS = 1_000;
const MOST = 200;

export function namesFrom(io: CliIo): Lookup {
  return async (wanted, asked) => {
    if (wanted.name === "capability") return capabilities();
    const source = SOURCES[wanted.name];
    if (source === undefined) return [];
    const signal = AbortSignal.any([io.signal, AbortSignal.timeout(PATIENCE_MS)]);
    try {
      return await contextOf(io, asked).withClient((client) => source(client, wanted, signal));
    } catch {
      // No server, no right, no time: nothing is offered, and nothing is said into the line being typed.
      return [];
    }
  };
}

const works: Source = async (client, { typed }, signal) => {
  if (/^pl?a?n?$|^plan_/.test(typed)) {
    const [byName, byId] = await Promise.all([goalNames(client, typed, signal), planIds(client, signal)]);
    return [...byName, ...byId];
  }
  return goalNames(client, typed, signal);
};

const SOURCES: Readonly<Record<string, Source>> = {
  ...RELEASE_SOURCES,
  plan: works,
  goal: works,
  run: async (client, wanted, signal) => {
    const [byGoal, byRun] = await Promise.all([goalNames(client, wanted.typed, signal), runs(client, wanted, signal)]);
    const known = new Set(byGoal.map(({ value }) => value));
    return [...byGoal, ...byRun.filter(({ value }) => !known.has(value))];
  },
  step: async (client, { positionals: [plan = ""] }, signal) => {
    const planId = await planIdOf(client, plan, signal);
    const { steps } = await client.steps.listSteps({ planId, pageSize: 1000 }, { signal });
    return steps.map(({ key, state }) => ({ value: key, note: word(StepStateSchema, state) }));
  },
  executor: async (client, _wanted, signal) => {
    const { executors } = await client.executors.listExecutors({ pageSize: MOST }, { signal });
    return executors.map(({ spec, executorId }) => ({ value: spec?.name ?? executorId, note: executorId }));
  },
  charter: async (client, _wanted, signal) => {
    const { charters } = await client.charters.listCharters({ pageSize: MOST }, { signal });
    return charters.map(({ name, charterId }) => ({ value: name, note: charterId }));
  },
  key: async (client, _wanted, signal) => {
    const { keys } = await client.identity.listApiKeys({ pageSize: MOST }, { signal });
    return keys
      .filter(({ revokedAt }) => revokedAt === undefined)
      .map(({ keyId, principal }) => ({ value: keyId, note: principal }));
  },
  approval: async (client, _wanted, signal) => {
    const { approvals } = await client.approvals.listApprovals({ pendingOnly: true, pageSize: MOST }, { signal });
    return approvals.map(({ approvalId, state, question }) => ({
      value: approvalId,
      note: question === "" ? word(ApprovalStateSchema, state) : question,
    }));
  },
};

/** Names that only one goal has: any other would not be understood. */
async function goalNames(client: ServerClient, typed: string, signal: AbortSignal): Promise<Candidate[]> {
  const filter = typed === "" ? "" : `name.startsWith(${JSON.stringify(typed)})`;
  const { goals } = await client.maestro.queryGoals({ filter, pageSize: MOST }, { signal });
  const counts = new Map<string, number>();
  for (const { spec } of goals) counts.set(spec?.name ?? "", (counts.get(spec?.name ?? "") ?? 0) + 1);
  return goals.flatMap(({ spec, planId, state }) => {
    const name = spec?.name ?? "";
    if (name === "") return [];
    const note = word(GoalStateSchema, state);
    return counts.get(name) === 1 ? [{ value: name, note }] : [{ value: planId, note: `${name} ${note}` }];
  });
}

async function planIds(client: ServerClient, signal: AbortSignal): Promise<Candidate[]> {
  const { plans } = await client.plans.listPlans({ pageSize: MOST }, { signal });
  return plans.map(({ planId, state }) => ({ value: planId, note: word(PlanStateSchema, state) }));
}

function capabilities(): Candidate[] {
  const seen = new Map(OPERATIONS.map(({ capability, operation }) => [capability, operation]));
  return [...seen].map(([value, note]) => ({ value, note }));
}
