// Which plan, goal, run or executor a user means: by id, or by a name that only one has. Not here: what is done with it.
import { GoalStateSchema } from "../../gen/maestro/v1/goal_pb.ts";
import type { Goal } from "../../gen/maestro/v1/goal_pb.ts";
import { RunStatusSchema } from "../../gen/maestro/conductor/v1/run_pb.ts";
import type { Run } from "../../gen/maestro/conductor/v1/run_pb.ts";
import type { Executor } from "../../gen/maestro/v1/executor_pb.ts";
import type { ApiKey } from "../../gen/maestro/v1/identity_pb.ts";
import type { ServerClient } from "./client.ts";
import { CommandEnd, FAILED, MISUSED } from "./io.ts";
import { harmless } from "./table.ts";
import { word } from "./words.ts";

const MOST_NAMED = 5;
const RUNS_PAGE = 1_000;
/** Runs among which a name is looked for: asking for all of years would take minutes. */
const MOST_RUNS = 10_000;

const isId = (prefix: string, text: string): boolean => new RegExp(`^${prefix}_[0-9a-z]{26}$`).test(text);

/** Ids are taken as they are: the server says when there is no such plan. */
export async function planIdOf(client: ServerClient, text: string, signal: AbortSignal): Promise<string> {
  return isId("plan", text) ? text : (await goalOf(client, text, signal)).planId;
}

/** A run's own id, or whatever says which plan: its run is meant; or the name of a run, which need not be its goal's. */
export async function runIdOf(client: ServerClient, text: string, signal: AbortSignal): Promise<string> {
  if (text.startsWith("run_") || isId("goal", text) || isId("plan", text)) return text;
  const goal = await onlyGoalNamed(client, text, signal);
  if (goal !== undefined) return goal.planId;
  const found = await runsNamed(client, text, signal);
  const [run, ...others] = found;
  if (run === undefined) {
    throw absent(
      `"${text}" is no run's id, no plan's and no goal's, and no name of a goal or of one of the newest ${MOST_RUNS} runs`,
    );
  }
  if (others.length === 0) return run.id;
  const lines = found.slice(0, MOST_NAMED).map(({ id, status }) => `  ${id}  ${word(RunStatusSchema, status)}`);
  throw ambiguous(`runs are named "${text}", newest first; name one by its id:`, lines, found.length > MOST_NAMED);
}

async function runsNamed(client: ServerClient, name: string, signal: AbortSignal): Promise<readonly Run[]> {
  const found: Run[] = [];
  let pageToken = "";
  for (let seen = 0; seen < MOST_RUNS; seen += RUNS_PAGE) {
    const page = await client.conductor.listRuns({ pageSize: RUNS_PAGE, pageToken }, { signal });
    found.push(...page.runs.filter((run) => run.name === name));
    pageToken = page.nextPageToken;
    if (pageToken === "" || found.length > MOST_NAMED) break;
  }
  return found;
}

export async function goalOf(client: ServerClient, text: string, signal: AbortSignal): Promise<Goal> {
  if (!isId("plan", text) && !isId("goal", text)) return goalNamed(client, text, signal);
  const goalId = isId("goal", text)
    ? text
    : ((await client.plans.getPlan({ planId: text }, { signal })).plan?.goalId ?? "");
  const { goal } = await client.goals.getGoal({ goalId }, { signal });
  if (goal === undefined) throw new Error("the server shows no goal");
  return goal;
}

async function goalNamed(client: ServerClient, name: string, signal: AbortSignal): Promise<Goal> {
  const goal = await onlyGoalNamed(client, name, signal);
  if (goal === undefined) throw absent(`"${name}" is no plan id, no goal id, and no goal's name`);
  return goal;
}

/** Undefined when there is none; throws when several have it. */
async function onlyGoalNamed(client: ServerClient, name: string, signal: AbortSignal): Promise<Goal | undefined> {
  const filter = `name == ${JSON.stringify(name)}`;
  const { goals, nextPageToken } = await client.maestro.queryGoals({ filter, pageSize: MOST_NAMED }, { signal });
  const [goal, ...others] = goals;
  if (others.length === 0) return goal;
  const lines = goals.map(({ planId, state }) => `  ${planId}  ${word(GoalStateSchema, state)}`);
  throw ambiguous(`goals are named "${name}", newest first; name one by its id:`, lines, nextPageToken !== "");
}

export async function executorOf(client: ServerClient, text: string, signal: AbortSignal): Promise<Executor> {
  if (isId("exec", text)) {
    const { executor } = await client.executors.getExecutor({ executorId: text }, { signal });
    if (executor === undefined) throw new Error("the server shows no executor");
    return executor;
  }
  for (let pageToken = ""; ;) {
    const page = await client.executors.listExecutors({ pageSize: 1000, pageToken }, { signal });
    const found = page.executors.find(({ spec }) => spec?.name === text);
    if (found !== undefined) return found;
    pageToken = page.nextPageToken;
    if (pageToken === "") throw absent(`"${text}" is no executor's id or name`);
  }
}

/** Of a principal, the only key that was not revoked. */
export async function keyOf(client: ServerClient, text: string, signal: AbortSignal): Promise<ApiKey> {
  const found: ApiKey[] = [];
  for (let pageToken = ""; ;) {
    const page = await client.identity.listApiKeys({ pageSize: 1000, pageToken }, { signal });
    const byId = page.keys.find(({ keyId }) => keyId === text);
    if (byId !== undefined) return byId;
    found.push(...page.keys.filter(({ principal, revokedAt }) => principal === text && revokedAt === undefined));
    pageToken = page.nextPageToken;
    if (pageToken === "") break;
  }
  const [key, ...others] = found;
  if (key === undefined) throw absent(`"${text}" is no key's id, and no principal with a key`);
  if (others.length === 0) return key;
  const lines = found.slice(0, MOST_NAMED).map(({ keyId }) => `  ${keyId}`);
  throw ambiguous(`keys are of "${text}", newest first; name one by its id:`, lines, found.length > MOST_NAMED);
}

function absent(message: string): CommandEnd {
  return new CommandEnd(FAILED, `maestro: ${harmless(message)}`, { reason: "NOT_FOUND" });
}

function ambiguous(message: string, lines: readonly string[], more: boolean): CommandEnd {
  const count = more ? `more than ${lines.length}` : String(lines.length);
  return new CommandEnd(MISUSED, [`maestro: ${count} ${message}`, ...lines].map(harmless).join("\n"), {
    reason: "AMBIGUOUS",
  });
}
