// A plan file as a patch of the plan that runs: what it would change, in words, and its commit. Not here: whether there is a
// plan to patch, see commands/apply.ts and commands/replan.ts.
import { create, equals } from "@bufbuild/protobuf";
import { BudgetSchema } from "../../gen/maestro/v1/amounts_pb.ts";
import { ConstraintsSchema } from "../../gen/maestro/v1/goal_pb.ts";
import type { Constraints, Goal } from "../../gen/maestro/v1/goal_pb.ts";
import { StepFateSchema } from "../../gen/maestro/v1/graph_pb.ts";
import type { DiffSummary, StepDifference } from "../../gen/maestro/v1/graph_pb.ts";
import type { ReplanGraphResponse } from "../../gen/maestro/v1/maestro_service_pb.ts";
import type { StepDefinition } from "../../gen/maestro/v1/step_pb.ts";
import type { ServerClient } from "./client.ts";
import type { Requests } from "./plan-file/requests.ts";
import { reasonOf } from "./refusal.ts";
import { table } from "./table.ts";
import { msOf, spanText, word } from "./words.ts";

export interface Patch {
  readonly planId: string;
  readonly upsert: StepDefinition[];
  readonly remove: string[];
  readonly expectedActiveVersion: number;
  readonly reason: string;
  readonly constraints?: Constraints;
}

/** The patch that makes the active version what the file says. */
export async function patchOf(
  client: ServerClient,
  { goalId, planId, activeVersion, spec }: Goal,
  { goal, steps }: Requests,
  reason: string,
  signal: AbortSignal,
): Promise<{ readonly patch: Patch; readonly limitsChanged: boolean }> {
  const kept = new Set(steps.map(({ key }) => key));
  const remove = (await stepKeys(client, goalId, activeVersion, signal)).filter((key) => !kept.has(key));
  const { version: active } = await client.graphs.getGraph({ goalId, version: activeVersion }, { signal });
  const limits = active?.constraints ?? spec?.constraints;
  const limitsChanged = !equals(ConstraintsSchema, plainLimits(goal.constraints), plainLimits(limits));
  const patch = {
    planId,
    upsert: [...steps],
    remove,
    expectedActiveVersion: activeVersion,
    reason,
    ...(limitsChanged && { constraints: goal.constraints ?? create(ConstraintsSchema) }),
  };
  return { patch, limitsChanged };
}

/** Commits what a dry run showed, or what it has become since. */
export async function commitPatch(
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

async function stepKeys(client: ServerClient, goalId: string, version: number, signal: AbortSignal): Promise<string[]> {
  const keys: string[] = [];
  for (let pageToken = ""; ;) {
    const page = await client.graphs.listGraphSteps({ goalId, version, pageSize: 1000, pageToken }, { signal });
    keys.push(...page.steps.flatMap(({ definition }) => definition?.key ?? []));
    pageToken = page.nextPageToken;
    if (pageToken === "") return keys;
  }
}

export function differs(summary: DiffSummary | undefined): boolean {
  if (summary === undefined) return false;
  const { addedSteps, removedSteps, changedSteps, addedEdges, removedEdges } = summary;
  return addedSteps + removedSteps + changedSteps + addedEdges + removedEdges > 0;
}

export function diffText(summary: DiffSummary | undefined, steps: readonly StepDifference[], columns: number): string {
  const rows = steps.map(({ key, fields, fate }) => [
    key,
    word(StepFateSchema, fate),
    fields.map(({ path, beforeJson, afterJson }) => `${path}: ${beforeJson || "—"} → ${afterJson || "—"}`).join("; "),
  ]);
  const span =
    summary === undefined
      ? ""
      : `makespan ${spanText(msOf(summary.makespanBefore))} → ${spanText(msOf(summary.makespanAfter))}`;
  const counts =
    summary === undefined
      ? ""
      : `${summary.reused} reused, ${summary.rerun} to run again, ${summary.stopped} to stop, ${summary.compensated} to undo`;
  return `${table(["STEP", "BECOMES", "WHAT CHANGED"], rows, columns)}\n${span}; ${counts}`;
}
