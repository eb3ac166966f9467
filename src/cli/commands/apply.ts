// `maestro apply`: makes what a plan file says come true, and shows it. An unchanged file changes nothing; a changed one
// re-plans. Not here: the server and executor of `--local`, see ../local.ts.
import { create, equals } from "@bufbuild/protobuf";
import type { CharterTerms } from "../../../gen/maestro/v1/charter_pb.ts";
import { GoalSpecSchema, GoalState } from "../../../gen/maestro/v1/goal_pb.ts";
import type { Goal, GoalSpec } from "../../../gen/maestro/v1/goal_pb.ts";
import { GraphVersionSchema } from "../../../gen/maestro/v1/graph_pb.ts";
import { CommitGraphResponseSchema, ReplanGraphResponseSchema } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import { PlanSchema, PlanState, PlanStateSchema } from "../../../gen/maestro/v1/plan_pb.ts";
import type { Plan } from "../../../gen/maestro/v1/plan_pb.ts";
import type { ServerClient } from "../client.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { changedTerms, fileTable, findCharter } from "../dry-run.ts";
import { CommandEnd, FAILED, INTERRUPTED } from "../io.ts";
import { diffText, trialOf } from "../patch.ts";
import { edgesOf } from "../plan-file/check.ts";
import type { Requests } from "../plan-file/requests.ts";
import { howToAnswer } from "../questions.ts";
import { planTable, refine } from "../refine.ts";
import { reasonOf } from "../refusal.ts";
import { endLine, failures, showPlan } from "../show.ts";
import { harmless } from "../table.ts";
import { word } from "../words.ts";
import { readRequests, warn } from "./validate.ts";

export interface ApplyFlags {
  /** Only show what would happen. */
  readonly dryRun?: boolean;
  /** Do not wait for the plan's end. */
  readonly detach?: boolean;
  /** A new goal, even if one of this name exists. */
  readonly again?: boolean;
  readonly acceptLate?: boolean;
  /** Server and executor end with the command. */
  readonly local?: boolean;
}

/** A plan that was begun, changed, or found as the file says. */
interface Applied {
  readonly planId: string;
  readonly how: "begun" | "changed" | "found";
}

export async function apply(file: string, flags: ApplyFlags, context: Context): Promise<void> {
  const { requests, warnings } = readRequests(file);
  warn(file, warnings, context);
  await applyRequests(requests, flags, context);
}

/** The same for what did not come from a plan file. The plan as it ended; undefined when its end was not waited for. */
export async function applyRequests(
  requests: Requests,
  flags: ApplyFlags,
  context: Context,
): Promise<Plan | undefined> {
  return await context.withClient(async (client) => {
    const applied = await converge(client, requests, flags, context);
    if (applied === undefined) return undefined;
    if (flags.detach === true || flags.dryRun === true) {
      const { plan } = await client.plans.getPlan({ planId: applied.planId }, { signal: context.io.signal });
      if (context.json && plan !== undefined) context.io.out(jsonLine(PlanSchema, plan));
      return undefined;
    }
    return await awaitEnd(client, applied, flags, context);
  });
}

async function converge(
  client: ServerClient,
  requests: Requests,
  flags: ApplyFlags,
  context: Context,
): Promise<Applied | undefined> {
  const { terms, charterName } = requests;
  if (terms !== undefined && flags.dryRun !== true) {
    const { charter, changed } = await client.maestro.declareCharter({
      name: charterName,
      terms,
      idempotencyKey: client.newKey(),
    });
    say(context, `charter ${charterName} at revision ${charter?.revision ?? 0}${changed ? " (new)" : ""}`);
  }
  if (terms !== undefined && flags.dryRun === true && (await isNewCharter(client, requests, terms, context)))
    return undefined;
  const found = flags.again === true ? undefined : await findGoal(client, requests);
  if (found === undefined || !sameGoal(found, requests.goal)) {
    if (found !== undefined)
      say(context, `goal ${found.goalId} of this name asked for something else; this is a new goal`);
    return begin(client, undefined, requests, flags, context);
  }
  if (found.state === GoalState.DRAFT || found.state === GoalState.REFINED)
    return begin(client, found, requests, flags, context);
  return replan(client, found, requests, flags, context);
}

/** Says what would become of the charter; of a new one there is no more to ask the server. */
async function isNewCharter(
  client: ServerClient,
  requests: Requests,
  terms: CharterTerms,
  context: Context,
): Promise<boolean> {
  const { charterName: name, goal, steps } = requests;
  const { io, json, quiet } = context;
  const charter = await findCharter(client, name, io.signal).catch((error: unknown) => {
    if (reasonOf(error) === "CAPABILITY_MISSING") return null;
    throw error;
  });
  // Who may not look at charters is told of the rest.
  if (charter === null) return false;
  const changes = changedTerms(charter?.terms, terms);
  if (charter !== undefined) {
    const { revision } = charter;
    const would = `charter ${name} would get revision ${revision + 1}; the rest is judged under revision ${revision}`;
    if (changes.length > 0 && json) context.notice(would, { charter: name, changes });
    else if (changes.length > 0) for (const line of [would, ...changes.map((term) => `  ${term}`)]) say(context, line);
    return false;
  }
  if (json) {
    const edges = edgesOf(requests).edges.length;
    const told = { charter: { name, new: true }, goal: { name: goal.name, new: true }, steps: steps.length, edges };
    io.out(`${JSON.stringify(told)}\n`);
    return true;
  }
  if (!quiet) io.out(`${fileTable(requests, io.columns)}\n`);
  for (const line of [`charter ${name} would be new`, ...changes.map((term) => `  ${term}`)]) say(context, line);
  say(context, `goal ${goal.name} would be new; a server analyses it once its charter is declared`);
  return true;
}

/** The newest goal of that name under that charter: this is how a file finds what it made before. */
async function findGoal(client: ServerClient, { charterName, goal }: Requests): Promise<Goal | undefined> {
  try {
    const filter = `name == ${JSON.stringify(goal.name)}`;
    const { goals } = await client.maestro.queryGoals({
      charter: charterName,
      filter,
      orderBy: "created_at desc",
      pageSize: 1,
    });
    return goals[0];
  } catch (error) {
    if (reasonOf(error) === "NOT_FOUND") return undefined;
    throw error;
  }
}

/** Constraints may be changed by a re-plan; anything else of a goal makes it another goal. */
export function sameGoal({ spec }: Goal, wanted: GoalSpec): boolean {
  if (spec === undefined) return false;
  const plain = (goal: GoalSpec): GoalSpec => {
    const copy = create(GoalSpecSchema, {
      name: goal.name,
      intent: goal.intent,
      labels: goal.labels,
      attributes: goal.attributes,
    });
    const inputs = goal.inputs?.value.case === "json" ? (JSON.parse(goal.inputs.value.value) as object) : {};
    return { ...copy, intent: `${copy.intent}\n${JSON.stringify(sorted(inputs))}` };
  };
  return equals(GoalSpecSchema, plain(spec), plain(wanted));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  );
}

async function begin(
  client: ServerClient,
  goal: Goal | undefined,
  requests: Requests,
  flags: ApplyFlags,
  context: Context,
): Promise<Applied | undefined> {
  const version = await refine(client, goal?.goalId, requests);
  if (!context.json && !context.quiet) context.io.out(`${await planTable(client, version, context.io)}\n`);
  if (flags.dryRun === true) {
    if (context.json) context.io.out(jsonLine(GraphVersionSchema, version));
    return undefined;
  }
  const committed = await client.maestro.commitGraph({
    goalId: version.goalId,
    version: version.version,
    expectedActiveVersion: 0,
    acceptLate: flags.acceptLate ?? false,
    idempotencyKey: client.newKey(),
  });
  const { plan, approvalId } = committed;
  const planId = plan?.planId ?? version.planId;
  if (approvalId !== "") {
    // Until then there is nothing to watch.
    if (context.json) context.io.out(jsonLine(CommitGraphResponseSchema, committed));
    say(context, `${planId} waits for ratification: ${approvalId}`);
    say(context, howToAnswer(approvalId, client.url));
    return undefined;
  }
  say(context, `committed as ${planId}`);
  return { planId, how: "begun" };
}

async function replan(
  client: ServerClient,
  goal: Goal,
  requests: Requests,
  flags: ApplyFlags,
  context: Context,
): Promise<Applied | undefined> {
  const { planId } = goal;
  const trial = await trialOf(client, goal, requests, "the plan file changed", context.io.signal).catch(
    (error: unknown) => {
      // A plan that has ended cannot be re-planned: the changed file is a new goal.
      if (reasonOf(error) === "STATE_CONFLICT") return undefined;
      throw error;
    },
  );
  if (trial === undefined) {
    say(context, `${planId} has ended; this is a new goal`);
    return begin(client, undefined, requests, flags, context);
  }
  if (!trial.changes) {
    const { plan } = await client.plans.getPlan({ planId });
    const failed = plan?.state === PlanState.FAILED || plan?.state === PlanState.CANCELLED;
    const again = failed ? `, ${word(PlanStateSchema, plan.state)}; --again begins a new goal` : "";
    say(context, `nothing changed: ${planId} stays as it is${again}`);
    return { planId, how: "found" };
  }
  if (!context.json && !context.quiet)
    context.io.out(`${diffText(trial.seen.summary, trial.seen.steps, context.io.columns)}\n`);
  if (flags.dryRun === true) {
    if (context.json) context.io.out(jsonLine(ReplanGraphResponseSchema, trial.seen));
    return undefined;
  }
  const done = await trial.commit();
  const version = `version ${done.version?.version ?? 0}`;
  if (done.approvalId === "") say(context, `re-planned ${planId} to ${version}`);
  else
    say(context, `${version} of ${planId} waits for ratification: ${done.approvalId}; until then it goes on as it is`);
  return { planId, how: "changed" };
}

async function awaitEnd(
  client: ServerClient,
  { planId, how }: Applied,
  { local = false }: ApplyFlags,
  context: Context,
): Promise<Plan> {
  const { io, json } = context;
  const ended = await showPlan(client, planId, io, { ...context, fresh: how === "begun" });
  if (ended === undefined) {
    const next = local
      ? "stopped; applying it again goes on from here"
      : `stopped watching; the plan goes on: maestro watch ${planId}`;
    throw new CommandEnd(INTERRUPTED, next);
  }
  await reportEnd(client, ended, context);
  // With --local there is no server left to ask.
  if (!json && !context.quiet && how !== "found" && !local)
    io.out(`more: maestro trace ${planId} · maestro explain ${planId}\n`);
  return ended;
}

/** Says how a plan ended, and ends the command unsuccessfully when it did not complete. */
export async function reportEnd(client: ServerClient, plan: Plan, context: Context): Promise<void> {
  const { io, json, quiet } = context;
  if (json) io.out(jsonLine(PlanSchema, plan));
  if (plan.state === PlanState.COMPLETED) {
    if (!json && !quiet) io.out(`${endLine(plan)}\n`);
    return;
  }
  const told = await failures(client, plan.planId, io.signal);
  throw new CommandEnd(FAILED, [...told, endLine(plan)].join("\n"), {
    reason: `PLAN_${word(PlanStateSchema, plan.state)}`,
  });
}

function say({ io, json, quiet }: Context, text: string): void {
  if (!json && !quiet) io.out(`${harmless(text)}\n`);
}
