// A plan file as a change of the plan that runs: what it would change, in words, and its commit. Not here: changes that are too
// large for one call (staging.ts), and whether there is a plan to change, see commands/apply.ts and commands/replan.ts.
import { create, equals } from "@bufbuild/protobuf";
import { BudgetSchema } from "../../gen/maestro/v1/amounts_pb.ts";
import { ConstraintsSchema } from "../../gen/maestro/v1/goal_pb.ts";
import type { Constraints, Goal } from "../../gen/maestro/v1/goal_pb.ts";
import { StepFate, StepFateSchema } from "../../gen/maestro/v1/graph_pb.ts";
import type { DiffSummary, StepDifference } from "../../gen/maestro/v1/graph_pb.ts";
import type { ReplanGraphResponse } from "../../gen/maestro/v1/maestro_service_pb.ts";
import type { StepDefinition } from "../../gen/maestro/v1/step_pb.ts";
import { counted } from "../support/counted.ts";
import type { ServerClient } from "./client.ts";
import type { Requests } from "./plan-file/requests.ts";
import { pages } from "./refine.ts";
import { reasonOf } from "./refusal.ts";
import { sameStep } from "./same-step.ts";
import { stage } from "./staging.ts";
import type { NewLimits, Staged } from "./staging.ts";
import { table } from "./table.ts";
import { msOf, spanText, word } from "./words.ts";

/** The contract's bound of one call, on removed keys as well. */
const MOST_STEPS = 2_000;
/** Shown; the server tells no more than these either. */
const MOST_ROWS = 1_000;

interface Patch {
  readonly planId: string;
  readonly upsert: StepDefinition[];
  readonly remove: string[];
  readonly expectedActiveVersion: number;
  readonly reason: string;
  readonly constraints?: Constraints;
}

/** What a file would change, and how it is done. */
export interface Trial extends Staged {
  readonly limitsChanged: boolean;
  /** Whether anything would change at all. */
  readonly changes: boolean;
}

/** Asks the server what it would change to make the active version what the file says. Throws a refusal when the plan has ended. */
export async function trialOf(
  client: ServerClient,
  goal: Goal,
  requests: Requests,
  reason: string,
  signal: AbortSignal,
): Promise<Trial> {
  const { patch, limitsChanged } = await patchOf(client, goal, requests, reason, signal);
  const small = pages(patch.upsert).length <= 1 && patch.remove.length <= MOST_STEPS;
  const { seen, commit } = small
    ? await tryPatch(client, patch, signal)
    : await stage(client, goal, requests, limitsOf(patch), signal);
  return { seen, commit, limitsChanged, changes: differs(seen.summary) || limitsChanged };
}

async function tryPatch(client: ServerClient, patch: Patch, signal: AbortSignal): Promise<Staged> {
  const seen = await client.maestro.replanGraph({ ...patch, dryRun: true }, { signal });
  return { seen, commit: () => commitPatch(client, patch, seen.plan?.revision ?? 0n, signal) };
}

/** All of the file's steps while one call takes them, so that a refusal counts as the file does; else those that are not as they were. */
async function patchOf(
  client: ServerClient,
  { goalId, planId, activeVersion, spec }: Goal,
  { goal, steps }: Requests,
  reason: string,
  signal: AbortSignal,
): Promise<{ readonly patch: Patch; readonly limitsChanged: boolean }> {
  const before = await definitions(client, goalId, activeVersion, signal);
  const kept = new Set(steps.map(({ key }) => key));
  const upsert = pages(steps).length <= 1 ? [...steps] : steps.filter((step) => !sameStep(before.get(step.key), step));
  const { version: active } = await client.graphs.getGraph({ goalId, version: activeVersion }, { signal });
  const limits = active?.constraints ?? spec?.constraints;
  const limitsChanged = !equals(ConstraintsSchema, plainLimits(goal.constraints), plainLimits(limits));
  const patch = {
    planId,
    upsert,
    remove: [...before.keys()].filter((key) => !kept.has(key)),
    expectedActiveVersion: activeVersion,
    reason,
    ...(limitsChanged && { constraints: goal.constraints ?? create(ConstraintsSchema) }),
  };
  return { patch, limitsChanged };
}

function limitsOf({ planId, expectedActiveVersion, reason, constraints }: Patch): NewLimits {
  return { planId, expectedActiveVersion, reason, ...(constraints !== undefined && { constraints }) };
}

/** Commits what a dry run showed, or what it has become since. */
async function commitPatch(
  client: ServerClient,
  patch: Patch,
  expectedRevision: bigint,
  signal: AbortSignal,
): Promise<ReplanGraphResponse> {
  try {
    const request = { ...patch, expectedRevision, idempotencyKey: client.newKey() };
    return await client.maestro.replanGraph(request, { signal });
  } catch (error) {
    // The plan moved on since the dry run, as plans do; what is shown is what the server says it did.
    if (reasonOf(error) !== "VERSION_CONFLICT") throw error;
    return client.maestro.replanGraph({ ...patch, idempotencyKey: client.newKey() }, { signal });
  }
}

/** Limits that limit nothing are written in more than one way. */
function plainLimits(limits: Constraints | undefined): Constraints {
  const { budget, deadline, minTrust = 0 } = limits ?? {};
  const { currency = "", ...most } = budget ?? create(BudgetSchema);
  return create(ConstraintsSchema, {
    minTrust,
    budget: { ...most, currency: most.moneyMicros === undefined ? "" : currency },
    ...(deadline !== undefined && { deadline }),
  });
}

async function definitions(
  client: ServerClient,
  goalId: string,
  version: number,
  signal: AbortSignal,
): Promise<Map<string, StepDefinition>> {
  const found = new Map<string, StepDefinition>();
  for (let pageToken = ""; ;) {
    const page = await client.graphs.listGraphSteps({ goalId, version, pageSize: 1000, pageToken }, { signal });
    for (const { definition } of page.steps) if (definition !== undefined) found.set(definition.key, definition);
    pageToken = page.nextPageToken;
    if (pageToken === "") return found;
  }
}

export function differs(summary: DiffSummary | undefined): boolean {
  if (summary === undefined) return false;
  const { addedSteps, removedSteps, changedSteps, addedEdges, removedEdges } = summary;
  return addedSteps + removedSteps + changedSteps + addedEdges + removedEdges > 0;
}

/** What a version would change of a plan that stands where it stands. */
export function diffText(summary: DiffSummary | undefined, steps: readonly StepDifference[], columns: number): string {
  const { reused = 0, rerun = 0, stopped = 0, compensated = 0 } = summary ?? {};
  const counts = `${reused} reused, ${rerun} to run again, ${stopped} to stop, ${compensated} to undo`;
  return textOf(summary, steps, columns, ["BECOMES", (fate) => word(StepFateSchema, fate)], counts);
}

/** How two versions differ, whatever became of it. */
export function changesText(
  summary: DiffSummary | undefined,
  steps: readonly StepDifference[],
  columns: number,
): string {
  const { addedSteps = 0, removedSteps = 0, changedSteps = 0, unchangedSteps = 0 } = summary ?? {};
  const counts = `${addedSteps} added, ${removedSteps} removed, ${changedSteps} changed, ${unchangedSteps} as they were`;
  const isNow = (fate: StepFate): string =>
    fate === StepFate.ADDED ? "ADDED" : fate === StepFate.DROPPED ? "REMOVED" : "CHANGED";
  return textOf(summary, steps, columns, ["IS", isNow], counts);
}

function textOf(
  summary: DiffSummary | undefined,
  steps: readonly StepDifference[],
  columns: number,
  [head, fateText]: readonly [string, (fate: StepFate) => string],
  counts: string,
): string {
  const rows = steps
    .slice(0, MOST_ROWS)
    .map(({ key, fields, fate }) => [
      key,
      fateText(fate),
      fields.map(({ path, beforeJson, afterJson }) => `${path}: ${beforeJson || "—"} → ${afterJson || "—"}`).join("; "),
    ]);
  const { addedSteps = 0, removedSteps = 0, changedSteps = 0 } = summary ?? {};
  const left = addedSteps + removedSteps + changedSteps - rows.length;
  const more = left > 0 ? `… and ${counted(left, "more step")}\n` : "";
  const told = table(["STEP", head, "WHAT CHANGED"], rows, columns);
  if (summary === undefined) return `${told}\n${more}`.trimEnd();
  const span = `makespan ${spanText(msOf(summary.makespanBefore))} → ${spanText(msOf(summary.makespanAfter))}`;
  return `${told}\n${more}${span}; ${counts}`;
}
