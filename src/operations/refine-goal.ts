// Refining inside of a transaction: shared by the operations that refine, and that refine and commit.
// Not here: edges, cycles and analysis, see refine-steps.ts.
import type { OperationContext } from "../engine/operation.ts";
import type { Goal, GoalSpec } from "../domain/goal.ts";
import type { GoalId, PlanId } from "../domain/id.ts";
import { decided, invalid, notFound, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { StepDefinition } from "../domain/step.ts";
import type { Tx } from "../store/ports/store.ts";
import {
  analyseFor,
  constraintViolations,
  currentConstraints,
  executorsOf,
  goalAtHand,
  inputsViolations,
} from "./goal-at-hand.ts";
import type { GoalAtHand } from "./goal-at-hand.ts";
import {
  addToDraft,
  addVersion,
  duplicates,
  findDraft,
  goalRefined,
  recordOf,
  refinedVersion,
} from "./graph-version.ts";
import type { Refined } from "./graph-version.ts";
import { mapGently } from "./gently.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { recordOnPlan } from "./plan-record.ts";

export type GoalTarget =
  | { readonly kind: "existing"; readonly goalId: GoalId }
  | { readonly kind: "new"; /** Name, or id as UUID text. */ readonly charter: string; readonly spec: GoalSpec };

export interface RefineRequest {
  readonly target: GoalTarget;
  readonly steps: readonly StepDefinition[];
  /** The DRAFT version to add to or to finish; zero makes a new one. */
  readonly version: number;
  /** Keep it DRAFT for more steps. */
  readonly open: boolean;
}

export async function refineGoal(
  heavy: HeavyWork,
  tx: Tx,
  request: RefineRequest,
  context: OperationContext,
): Promise<Decision<Refined>> {
  return request.target.kind === "new"
    ? refineNew(heavy, tx, request, request.target, context)
    : refineExisting(heavy, tx, request, request.target.goalId, context);
}

async function refineNew(
  heavy: HeavyWork,
  tx: Tx,
  request: RefineRequest,
  target: Extract<GoalTarget, { kind: "new" }>,
  context: OperationContext,
): Promise<Decision<Refined>> {
  const { orgId, name: createdBy } = context.principal;
  if (request.version !== 0)
    return invalid({ field: "version", description: "A new goal has no versions yet.", rule: "refine.version" });
  // Nothing is locked yet, so the clock may be read now: one round trip for all three.
  const [charter, executors, nowMs] = await Promise.all([
    tx.charters.find(orgId, target.charter),
    executorsOf(tx, orgId),
    tx.nowMs(),
  ]);
  if (charter === undefined) return notFound("charter", target.charter);
  const wrong = [
    ...inputsViolations(target.spec),
    ...constraintViolations(charter, target.spec.constraints, "new_goal.spec.constraints"),
  ];
  if (wrong.length > 0) return invalid(...wrong);
  const goal: Goal = {
    orgId,
    planId: context.ids.uuid() as PlanId,
    charterId: charter.charterId,
    charterRevision: charter.revision,
    spec: target.spec,
    state: request.open ? "DRAFT" : "REFINED",
    createdMs: nowMs,
    createdBy,
    finishedMs: null,
  };
  const graph = request.open
    ? decided(null)
    : await analyseFor(
        heavy,
        executors,
        { goal, charter, constraints: target.spec.constraints },
        request.steps,
        request.steps.map((_, i) => `steps[${String(i)}]`),
        context,
      );
  if (!graph.ok) return graph;
  if (request.open) {
    const twice = duplicates(request.steps);
    if (twice.length > 0) return invalid(...twice);
  }
  const plan = await tx.goals.add(goal);
  return addVersion(
    tx,
    context,
    { goal, charter, plan },
    {
      graph: graph.value,
      open: request.steps,
      constraints: null,
      parentVersion: 0,
      reason: "",
      operation: "goal.refine",
    },
  );
}

async function refineExisting(
  heavy: HeavyWork,
  tx: Tx,
  request: RefineRequest,
  goalId: GoalId,
  context: OperationContext,
): Promise<Decision<Refined>> {
  const at = await goalAtHand(tx, context, goalId);
  if (!at.ok) return at;
  const { goal, plan } = at.value;
  if (goal.state === "CANCELLED")
    return refused("STATE_CONFLICT", "A cancelled goal is not refined any more.", {
      metadata: { kind: "goal", id: goalId, state: goal.state },
    });
  if (request.version !== 0) return continueDraft(heavy, tx, request, at.value, context);
  const constraints = await currentConstraints(tx, plan);
  if (request.open) {
    const twice = duplicates(request.steps);
    if (twice.length > 0) return invalid(...twice);
    return addVersion(tx, context, at.value, {
      graph: null,
      open: request.steps,
      constraints,
      parentVersion: plan.activeVersion,
      reason: "",
      operation: "goal.refine",
    });
  }
  const subject = { ...at.value, constraints: constraints ?? goal.spec.constraints };
  const graph = await analyseFor(
    heavy,
    await executorsOf(tx, plan.orgId),
    subject,
    request.steps,
    request.steps.map((_, i) => `steps[${String(i)}]`),
    context,
  );
  if (!graph.ok) return graph;
  return addVersion(tx, context, at.value, {
    graph: graph.value,
    open: [],
    constraints,
    parentVersion: plan.activeVersion,
    reason: "",
    operation: "goal.refine",
  });
}

/** Adds steps to a DRAFT version, and finishes it unless it is to stay open. */
async function continueDraft(
  heavy: HeavyWork,
  tx: Tx,
  request: RefineRequest,
  at: GoalAtHand,
  context: OperationContext,
): Promise<Decision<Refined>> {
  const draft = await findDraft(tx, at.plan, request.version);
  if (!draft.ok) return draft;
  const { goal, plan } = at;
  if (request.open) {
    const added = await addToDraft(tx, context, at, draft.value, request.steps);
    if (!added.ok) {
      // RefineGoal says of a key that it is given twice; only AddSteps speaks of steps that are there already.
      if (added.refusal.reason !== "ALREADY_EXISTS") return added;
      return invalid(...added.refusal.violations);
    }
    return added;
  }
  const stored = await tx.graphs.steps(plan.orgId, plan.planId, request.version);
  const definitions = await mapGently(stored, (s) => s.definition);
  const steps = [...definitions, ...request.steps];
  const paths = [
    ...definitions.map((s) => `steps[${JSON.stringify(s.key)}]`),
    ...request.steps.map((_, i) => `steps[${String(i)}]`),
  ];
  const graph = await analyseFor(
    heavy,
    await executorsOf(tx, plan.orgId),
    { ...at, constraints: draft.value.constraints ?? goal.spec.constraints },
    steps,
    paths,
    context,
  );
  if (!graph.ok) return graph;
  const version = refinedVersion(draft.value, graph.value);
  await tx.graphs.replace(plan.orgId, plan.planId, version.version, graph.value.steps, graph.value.edges);
  await tx.graphs.saveVersion(version);
  const after = await goalRefined(tx, at.goal);
  const recorded = await recordOnPlan(tx, context, plan, plan.newestVersion, recordOf("goal.refine", version));
  return decided({
    ...at,
    goal: after,
    ...recorded,
    version,
    steps: graph.value.steps,
    edges: graph.value.edges,
  });
}
