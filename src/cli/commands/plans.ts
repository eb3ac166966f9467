// `maestro plans`: lists plans, or shows one with its account and its steps. Not here: verbs that change them, see plan-verbs.ts.
import { LedgerSchema } from "../../../gen/maestro/v1/amounts_pb.ts";
import { PlanSchema, PlanStateSchema } from "../../../gen/maestro/v1/plan_pb.ts";
import type { Plan } from "../../../gen/maestro/v1/plan_pb.ts";
import { WaitCause } from "../../../gen/maestro/v1/plan_service_pb.ts";
import { StepState, StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import type { Step } from "../../../gen/maestro/v1/step_pb.ts";
import { create } from "@bufbuild/protobuf";
import { counted } from "../../support/counted.ts";
import type { ServerClient } from "../client.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { ExecutorNames } from "../executor-names.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { failureReasons } from "../reasons.ts";
import { allSteps } from "../show.ts";
import { facts, table } from "../table.ts";
import { goalOf, planIdOf } from "../target.ts";
import { amountsText, budgetText, progressText, timeText, valueOf, word } from "../words.ts";

const MOST_ROWS = 60;
/** Of a long list the rest goes without, instead of asking for ever. */
const MOST_NAMED = 200;

export interface PlansFlags extends ListFlags {
  readonly state: readonly string[];
  readonly goal?: string;
}

export async function plans(flags: PlansFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  const states = flags.state.flatMap((one) => {
    const value = valueOf(PlanStateSchema, one);
    return value === undefined ? [] : [value];
  });
  await withClient(async (client) => {
    const goalId = flags.goal === undefined ? "" : (await goalOf(client, flags.goal, io.signal)).goalId;
    const names = new Map<string, string>();
    await showList(
      {
        schema: PlanSchema,
        learn: (items) => learnNames(client, items, names, io.signal),
        page: async (pageSize, pageToken) => {
          const page = await client.plans.listPlans({ goalId, states, pageSize, pageToken }, { signal: io.signal });
          return { items: page.plans, nextPageToken: page.nextPageToken };
        },
        head: ["PLAN", "GOAL", "STATE", "DONE", "VERSION", "COMMITTED", "ENDED", "REASON"],
        row: (plan) => [
          plan.planId,
          names.get(plan.goalId) ?? "",
          word(PlanStateSchema, plan.state),
          progressText(plan.progress),
          String(plan.activeVersion),
          timeText(plan.committedAt),
          timeText(plan.finishedAt),
          plan.reason,
        ],
        none: "no plans",
      },
      flags,
      context,
    );
  });
}

/** Names of their goals, each asked for once; who may not look at goals sees none. */
async function learnNames(
  client: ServerClient,
  items: readonly Plan[],
  names: Map<string, string>,
  signal: AbortSignal,
): Promise<void> {
  const unknown = [...new Set(items.map(({ goalId }) => goalId))].filter((goalId) => !names.has(goalId));
  await Promise.all(
    unknown.slice(0, Math.max(0, MOST_NAMED - names.size)).map(async (goalId) => {
      names.set(goalId, "");
      const { goal } = await client.goals.getGoal({ goalId }, { signal }).catch(() => ({ goal: undefined }));
      if (goal?.spec !== undefined) names.set(goalId, goal.spec.name);
    }),
  );
}

export async function showPlanOnce(named: string, { io, json, withClient }: Context): Promise<void> {
  await withClient(async (client) => {
    const planId = await planIdOf(client, named, io.signal);
    const { plan } = await client.plans.getPlan({ planId }, { signal: io.signal });
    if (plan === undefined) throw new Error("the server shows no plan");
    if (json) return io.out(jsonLine(PlanSchema, plan));
    const steps = await allSteps(client, planId, io.signal);
    const shown = steps.slice(0, MOST_ROWS);
    const names = new ExecutorNames(client, io.signal);
    await names.learn(shown.map(({ executorId }) => executorId));
    const reasons = await failureReasons(client, planId, shown, io.signal);
    const held = await heldSteps(client, planId, shown, io.signal);
    const rows = shown.map((step) => rowOf(step, names, reasons, held));
    const head = ["STEP", "STATE", "ATTEMPTS", "EXECUTOR", "SINCE", "FAILURE"];
    io.out(`${planText(plan)}\n\n${table(head, rows, io.columns)}\n`);
    if (shown.length < steps.length)
      io.out(`… and ${counted(steps.length - shown.length, "more step")}: maestro steps ${planId} --all\n`);
  });
}

function planText(plan: Plan): string {
  const { progress } = plan;
  const { allotted, held, spent, overrun, presumed, currency } = plan.ledger ?? create(LedgerSchema);
  const amounts = (value: typeof held): string => {
    const text = amountsText(value, currency);
    return text === "nothing" ? "" : text;
  };
  return facts([
    ["plan", plan.planId],
    ["goal", plan.goalId],
    ["state", word(PlanStateSchema, plan.state)],
    ["reason", plan.reason],
    ["version", String(plan.activeVersion)],
    ["waits for ratification", plan.pendingVersion === 0 ? "" : `version ${plan.pendingVersion}`],
    [
      "steps",
      progress === undefined
        ? ""
        : `${progress.total}; ${progress.succeeded} succeeded, ${progress.failed} failed, refused or cancelled`,
    ],
    ["charter", `${plan.charterId} at revision ${plan.charterRevision}`],
    ["budget", allotted === undefined ? "" : budgetText(allotted)],
    ["held now", amounts(held)],
    ["spent", amounts(spent)],
    ["beyond holds", amounts(overrun)],
    ["presumed spent", amounts(presumed)],
    ["committed", timeText(plan.committedAt)],
    ["deadline", timeText(plan.deadline)],
    ["ended", timeText(plan.finishedAt)],
  ]);
}

const MAY_BE_HELD: ReadonlySet<StepState> = new Set([StepState.PENDING, StepState.WAITING]);

/** Those that are held by hand, which their states alone do not say. `steps` are the first of the plan. */
async function heldSteps(
  client: ServerClient,
  planId: string,
  steps: readonly Step[],
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  if (!steps.some(({ state }) => MAY_BE_HELD.has(state))) return new Set();
  const none = { waiting: [] };
  const { waiting } = await client.plans.explainPlan({ planId, pageSize: 1000 }, { signal }).catch(() => none);
  return new Set(waiting.filter(({ cause }) => cause === WaitCause.HELD).map(({ step }) => step));
}

function rowOf(
  { key, state, attempt, executorId, startedAt, finishedAt, failure }: Step,
  names: ExecutorNames,
  reasons: ReadonlyMap<string, string>,
  held: ReadonlySet<string>,
): string[] {
  return [
    key,
    `${word(StepStateSchema, state)}${held.has(key) ? ", held" : ""}`,
    String(attempt),
    executorId === "" ? "" : names.of(executorId),
    timeText(finishedAt ?? startedAt),
    reasons.get(key) ?? failure?.message ?? "",
  ];
}
