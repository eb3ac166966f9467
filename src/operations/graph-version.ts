// Writing graph versions: new ones, and steps of those that are open. Not here: what they are made from, see refine-goal.ts.
import type { OperationContext } from "../engine/operation.ts";
import { movedVersion } from "../domain/graph.ts";
import type { AnalysedEdge, GraphStep, GraphVersion } from "../domain/graph.ts";
import { definitionText, fingerprint } from "../domain/graph/fingerprint.ts";
import type { Constraints, Goal } from "../domain/goal.ts";
import type { RecordId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import type { PlanChanges } from "../domain/plan/slice.ts";
import { decided, invalid, notFound, refused } from "../domain/refusal.ts";
import type { Decision, Violation } from "../domain/refusal.ts";
import type { StepDefinition } from "../domain/step.ts";
import type { Tx } from "../store/ports/store.ts";
import { mapGently } from "./gently.ts";
import type { GoalAtHand } from "./goal-at-hand.ts";
import { recordOnPlan } from "./plan-record.ts";
import type { RefinedGraph } from "./refine-steps.ts";

/** A version that was written; of its plan, row and record are still to be saved. */
export interface Refined extends GoalAtHand {
  readonly changes: PlanChanges;
  readonly version: GraphVersion;
  readonly steps: readonly GraphStep[];
  readonly edges: readonly AnalysedEdge[];
  readonly recordId: RecordId;
}

/** Adds steps to a version that stays DRAFT. Keys that are there already are refused by name. */
export async function addToDraft(
  tx: Tx,
  context: OperationContext,
  at: GoalAtHand,
  draft: GraphVersion,
  steps: readonly StepDefinition[],
): Promise<Decision<Refined>> {
  const { plan } = at;
  const twice = duplicates(steps);
  if (twice.length > 0) return invalid(...twice);
  const { taken } = await tx.graphs.addSteps(
    plan.orgId,
    plan.planId,
    draft.version,
    await mapGently(steps, unanalysed),
  );
  const [first] = taken;
  if (first !== undefined) {
    const violations = taken.slice(0, 100).map((key): Violation => ({
      field: `steps[${String(steps.findIndex((s) => s.key === key))}].key`,
      description: `Step ${key} is in version ${String(draft.version)} already.`,
      rule: "graph.duplicate_key",
    }));
    const more = taken.length > 1 ? ` (and ${String(taken.length - 1)} more)` : "";
    return refused("ALREADY_EXISTS", `Step ${first} is in version ${String(draft.version)} already${more}.`, {
      metadata: { kind: "step", id: first },
      violations,
    });
  }
  const version: GraphVersion = { ...draft, stepCount: draft.stepCount + steps.length };
  await tx.graphs.saveVersion(version);
  const recorded = await recordOnPlan(tx, context, plan, plan.newestVersion, recordOf("graph.add_steps", version));
  return decided({ ...at, ...recorded, version, steps: [], edges: [] });
}

export async function findDraft(tx: Tx, plan: PlanRow, version: number): Promise<Decision<GraphVersion>> {
  const found = await tx.graphs.findVersion(plan.orgId, plan.planId, version);
  if (found === undefined) return notFound("graph version", String(version));
  if (found.state === "DRAFT") return decided(found);
  return refused("STATE_CONFLICT", `Version ${String(version)} is ${found.state}: only a DRAFT takes steps.`, {
    metadata: { kind: "graph version", id: String(version), state: found.state },
  });
}

export interface NewVersion {
  /** Null for a version that stays open. */
  readonly graph: RefinedGraph | null;
  /** Steps of a version that stays open. */
  readonly open: readonly StepDefinition[];
  readonly constraints: Constraints | null;
  readonly parentVersion: number;
  readonly reason: string;
  readonly operation: string;
}

/** Writes the next version of a goal. */
export async function addVersion(
  tx: Tx,
  context: OperationContext,
  at: GoalAtHand,
  wanted: NewVersion,
): Promise<Decision<Refined>> {
  const { plan } = at;
  const number = plan.newestVersion + 1;
  const open: GraphVersion = {
    orgId: plan.orgId,
    planId: plan.planId,
    version: number,
    parentVersion: wanted.parentVersion,
    state: "DRAFT",
    digest: "",
    stepCount: wanted.open.length,
    edgeCount: 0,
    analysis: null,
    constraints: wanted.constraints,
    reason: wanted.reason,
    createdMs: await tx.nowMs(),
    createdBy: context.principal.name,
  };
  const version = wanted.graph === null ? open : refinedVersion(open, wanted.graph);
  await tx.graphs.addVersion(version);
  let goal = at.goal;
  if (wanted.graph === null) {
    if (wanted.open.length > 0)
      await tx.graphs.addSteps(plan.orgId, plan.planId, number, await mapGently(wanted.open, unanalysed));
  } else {
    await tx.graphs.addGraph(plan.orgId, plan.planId, number, wanted.graph.steps, wanted.graph.edges);
    goal = await goalRefined(tx, goal);
  }
  const recorded = await recordOnPlan(tx, context, plan, number, recordOf(wanted.operation, version));
  return decided({
    ...at,
    goal,
    ...recorded,
    version,
    steps: wanted.graph?.steps ?? [],
    edges: wanted.graph?.edges ?? [],
  });
}

export function refinedVersion(open: GraphVersion, graph: RefinedGraph): GraphVersion {
  return {
    ...open,
    state: movedVersion(open.state, "REFINED"),
    digest: graph.digest,
    stepCount: graph.steps.length,
    edgeCount: graph.edges.length,
    analysis: graph.analysis,
  };
}

export async function goalRefined(tx: Tx, goal: Goal): Promise<Goal> {
  if (goal.state !== "DRAFT") return goal;
  await tx.goals.setState(goal.orgId, goal.planId, "REFINED", null);
  return { ...goal, state: "REFINED" };
}

export function duplicates(steps: readonly StepDefinition[]): readonly Violation[] {
  const seen = new Set<string>();
  const found: Violation[] = [];
  for (const [i, { key }] of steps.entries()) {
    if (seen.has(key))
      found.push({
        field: `steps[${String(i)}].key`,
        description: `Key ${key} is given twice.`,
        rule: "graph.duplicate_key",
      });
    seen.add(key);
  }
  return found.slice(0, 100);
}

/** A step of an open version: its place in time is not known yet. */
function unanalysed(definition: StepDefinition): GraphStep {
  return {
    definition,
    definitionText: definitionText(definition),
    fingerprint: fingerprint(definition),
    level: 0,
    expectedMs: 0,
    earliestMs: 0,
    latestMs: 0,
    totalSlackMs: 0,
    freeSlackMs: 0,
    critical: false,
  };
}

export function recordOf(
  kind: string,
  version: GraphVersion,
): { readonly kind: string; readonly body: Readonly<Record<string, unknown>> } {
  const { state, digest, stepCount, edgeCount, parentVersion, reason } = version;
  return {
    kind,
    body: {
      version: version.version,
      state,
      digest,
      steps: stepCount,
      edges: edgeCount,
      parent: parentVersion,
      ...(reason === "" ? {} : { reason }),
    },
  };
}
