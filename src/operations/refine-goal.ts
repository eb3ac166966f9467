// Refining inside of a transaction: shared by the operations that refine, and that refine and commit.
// Not here: edges, cycles and analysis, see refine-steps.ts.
import type { OperationContext } from "../engine/operation.ts";
import type { Charter } from "../domain/charter.ts";
import type { AnalysedEdge, GraphState, GraphStep, GraphVersion } from "../domain/graph.ts";
import { definitionText, fingerprint } from "../domain/graph/fingerprint.ts";
import { effectiveConstraints } from "../domain/goal.ts";
import type { Constraints, Goal, GoalSpec, GoalView } from "../domain/goal.ts";
import { planOfGoal } from "../domain/id.ts";
import type { GoalId, PlanId, RecordId } from "../domain/id.ts";
import { isObject, parseJson } from "../domain/json.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided, invalid, notFound, refused } from "../domain/refusal.ts";
import type { Decision, Violation } from "../domain/refusal.ts";
import type { StepDefinition } from "../domain/step.ts";
import type { Tx } from "../store/ports/store.ts";
import { allPages } from "./all-pages.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { recordOnPlan } from "./plan-record.ts";
import type { RefinedGraph } from "./refine-steps.ts";

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

/** A goal with the charter that it is pinned to, and its locked plan. */
export interface GoalAtHand {
  readonly goal: Goal;
  readonly charter: Charter;
  readonly plan: PlanRow;
}

export interface Refined extends GoalAtHand {
  readonly version: GraphVersion;
  readonly steps: readonly GraphStep[];
  readonly edges: readonly AnalysedEdge[];
  readonly recordId: RecordId;
}

export async function refineGoal(heavy: HeavyWork, tx: Tx, request: RefineRequest, context: OperationContext): Promise<Decision<Refined>> {
  return request.target.kind === "new" ? refineNew(heavy, tx, request, request.target, context) : refineExisting(heavy, tx, request, request.target.goalId, context);
}

async function refineNew(heavy: HeavyWork, tx: Tx, request: RefineRequest, target: Extract<GoalTarget, { kind: "new" }>, context: OperationContext): Promise<Decision<Refined>> {
  const { orgId, name: createdBy } = context.principal;
  if (request.version !== 0) return invalid({ field: "version", description: "A new goal has no versions yet.", rule: "refine.version" });
  const charter = await tx.charters.find(orgId, target.charter);
  if (charter === undefined) return notFound("charter", target.charter);
  const wrong = [...inputsViolations(target.spec), ...constraintViolations(charter, target.spec.constraints, "new_goal.spec.constraints")];
  if (wrong.length > 0) return invalid(...wrong);
  const goal: Goal = {
    orgId, planId: context.ids.uuid() as PlanId, charterId: charter.charterId, charterRevision: charter.revision, spec: target.spec, state: "DRAFT",
    createdMs: await tx.nowMs(), createdBy, finishedMs: null,
  };
  const graph = request.open ? decided(null) : await analyseFor(heavy, tx, { goal, charter, constraints: target.spec.constraints }, request.steps, request.steps.map((_, i) => `steps[${String(i)}]`), context);
  if (!graph.ok) return graph;
  if (request.open) {
    const twice = duplicates(request.steps);
    if (twice.length > 0) return invalid(...twice);
  }
  await tx.goals.add(goal);
  const plan = await tx.plans.lock(orgId, goal.planId);
  if (plan === undefined) throw new Error("a goal was added without its plan");
  return addVersion(tx, context, { goal, charter, plan }, { graph: graph.value, open: request.steps, constraints: null, parentVersion: 0, reason: "", operation: "goal.refine" });
}

async function refineExisting(heavy: HeavyWork, tx: Tx, request: RefineRequest, goalId: GoalId, context: OperationContext): Promise<Decision<Refined>> {
  const at = await goalAtHand(tx, context, goalId);
  if (!at.ok) return at;
  const { goal, plan } = at.value;
  if (goal.state === "CANCELLED") return refused("STATE_CONFLICT", "A cancelled goal is not refined any more.", { metadata: { kind: "goal", id: goalId, state: goal.state } });
  if (request.version !== 0) return continueDraft(heavy, tx, request, at.value, context);
  const constraints = await currentConstraints(tx, plan);
  if (request.open) {
    const twice = duplicates(request.steps);
    if (twice.length > 0) return invalid(...twice);
    return addVersion(tx, context, at.value, { graph: null, open: request.steps, constraints, parentVersion: plan.activeVersion, reason: "", operation: "goal.refine" });
  }
  const subject = { ...at.value, constraints: constraints ?? goal.spec.constraints };
  const graph = await analyseFor(heavy, tx, subject, request.steps, request.steps.map((_, i) => `steps[${String(i)}]`), context);
  if (!graph.ok) return graph;
  return addVersion(tx, context, at.value, { graph: graph.value, open: [], constraints, parentVersion: plan.activeVersion, reason: "", operation: "goal.refine" });
}

/** Adds steps to a DRAFT version, and finishes it unless it is to stay open. */
async function continueDraft(heavy: HeavyWork, tx: Tx, request: RefineRequest, at: GoalAtHand, context: OperationContext): Promise<Decision<Refined>> {
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
  const steps = [...stored.map((s) => s.definition), ...request.steps];
  const paths = [...stored.map((s) => `steps[${JSON.stringify(s.definition.key)}]`), ...request.steps.map((_, i) => `steps[${String(i)}]`)];
  const graph = await analyseFor(heavy, tx, { ...at, constraints: draft.value.constraints ?? goal.spec.constraints }, steps, paths, context);
  if (!graph.ok) return graph;
  const version = refinedVersion(draft.value, graph.value);
  await tx.graphs.replace(plan.orgId, plan.planId, version.version, graph.value.steps, graph.value.edges);
  await tx.graphs.saveVersion(version);
  const after = await goalRefined(tx, at.goal);
  const recorded = await recordOnPlan(tx, context, plan, plan.newestVersion, recordOf("goal.refine", version));
  return decided({ ...at, goal: after, plan: recorded.plan, recordId: recorded.recordId, version, steps: graph.value.steps, edges: graph.value.edges });
}

/** Adds steps to a version that stays DRAFT. Keys that are there already are refused by name. */
export async function addToDraft(tx: Tx, context: OperationContext, at: GoalAtHand, draft: GraphVersion, steps: readonly StepDefinition[]): Promise<Decision<Refined>> {
  const { plan } = at;
  const twice = duplicates(steps);
  if (twice.length > 0) return invalid(...twice);
  const { taken } = await tx.graphs.addSteps(plan.orgId, plan.planId, draft.version, steps.map(unanalysed));
  const [first] = taken;
  if (first !== undefined) {
    const violations = taken.slice(0, 100).map((key): Violation => ({ field: `steps[${String(steps.findIndex((s) => s.key === key))}].key`, description: `Step ${key} is in version ${String(draft.version)} already.`, rule: "graph.duplicate_key" }));
    const more = taken.length > 1 ? ` (and ${String(taken.length - 1)} more)` : "";
    return refused("ALREADY_EXISTS", `Step ${first} is in version ${String(draft.version)} already${more}.`, { metadata: { kind: "step", id: first }, violations });
  }
  const version: GraphVersion = { ...draft, stepCount: draft.stepCount + steps.length };
  await tx.graphs.saveVersion(version);
  const recorded = await recordOnPlan(tx, context, plan, plan.newestVersion, recordOf("graph.add_steps", version));
  return decided({ ...at, plan: recorded.plan, recordId: recorded.recordId, version, steps: [], edges: [] });
}

/** The goal and its charter, with the plan locked. */
export async function goalAtHand(tx: Tx, context: OperationContext, goalId: GoalId): Promise<Decision<GoalAtHand>> {
  const { orgId } = context.principal;
  const plan = await tx.plans.lock(orgId, planOfGoal(goalId));
  const goal = plan === undefined ? undefined : await tx.goals.find(orgId, plan.planId);
  if (plan === undefined || goal === undefined) return notFound("goal", goalId);
  const charter = await tx.charters.find(orgId, goal.charterId, goal.charterRevision);
  if (charter === undefined) throw new Error("a goal is pinned to a charter that is gone");
  return decided({ goal, charter, plan });
}

export async function findDraft(tx: Tx, plan: PlanRow, version: number): Promise<Decision<GraphVersion>> {
  const found = await tx.graphs.findVersion(plan.orgId, plan.planId, version);
  if (found === undefined) return notFound("graph version", String(version));
  if (found.state === "DRAFT") return decided(found);
  return refused("STATE_CONFLICT", `Version ${String(version)} is ${found.state}: only a DRAFT takes steps.`, { metadata: { kind: "graph version", id: String(version), state: found.state } });
}

/** Limits that the active version brought by a re-plan; null when those of the goal hold. */
export async function currentConstraints(tx: Tx, plan: PlanRow): Promise<Constraints | null> {
  if (plan.activeVersion === 0) return null;
  const active = await tx.graphs.findVersion(plan.orgId, plan.planId, plan.activeVersion);
  return active?.constraints ?? null;
}

/** Analyses steps for a goal, off the event loop when they are many. Writes nothing. */
export async function analyseFor(
  heavy: HeavyWork,
  tx: Tx,
  subject: Pick<GoalAtHand, "goal" | "charter"> & { readonly constraints: Constraints },
  steps: readonly StepDefinition[],
  paths: readonly string[],
  context: OperationContext,
): Promise<Decision<RefinedGraph>> {
  const { orgId } = context.principal;
  const executors = await allPages((page) => tx.executors.list(orgId, page), (e) => [e.spec.name]);
  const { budget, deadlineMs, minTrust } = effectiveConstraints(subject.charter.terms, subject.constraints);
  const limits = { tokens: budget.tokens, moneyMicros: budget.moneyMicros, wallMs: budget.wallMs, energyMillijoules: budget.energyMillijoules };
  const input = { steps, paths, goalInputs: inputNames(subject.goal.spec), deadlineMs, limits, minTrust, executors: executors.map(({ spec, trust }) => ({ spec, trust })) };
  return heavy.refine(input, context.signal);
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
export async function addVersion(tx: Tx, context: OperationContext, at: GoalAtHand, wanted: NewVersion): Promise<Decision<Refined>> {
  const { plan } = at;
  const number = plan.newestVersion + 1;
  const open: GraphVersion = {
    orgId: plan.orgId, planId: plan.planId, version: number, parentVersion: wanted.parentVersion, state: "DRAFT", digest: "", stepCount: wanted.open.length, edgeCount: 0,
    analysis: null, constraints: wanted.constraints, reason: wanted.reason, createdMs: await tx.nowMs(), createdBy: context.principal.name,
  };
  const version = wanted.graph === null ? open : refinedVersion(open, wanted.graph);
  await tx.graphs.addVersion(version);
  let goal = at.goal;
  if (wanted.graph === null) {
    if (wanted.open.length > 0) await tx.graphs.addSteps(plan.orgId, plan.planId, number, wanted.open.map(unanalysed));
  } else {
    await tx.graphs.replace(plan.orgId, plan.planId, number, wanted.graph.steps, wanted.graph.edges);
    goal = await goalRefined(tx, goal);
  }
  const recorded = await recordOnPlan(tx, context, plan, number, recordOf(wanted.operation, version));
  return decided({ ...at, goal, plan: recorded.plan, recordId: recorded.recordId, version, steps: wanted.graph?.steps ?? [], edges: wanted.graph?.edges ?? [] });
}

export function refinedVersion(open: GraphVersion, graph: RefinedGraph): GraphVersion {
  const state: GraphState = "REFINED";
  return { ...open, state, digest: graph.digest, stepCount: graph.steps.length, edgeCount: graph.edges.length, analysis: graph.analysis };
}

async function goalRefined(tx: Tx, goal: Goal): Promise<Goal> {
  if (goal.state !== "DRAFT") return goal;
  await tx.goals.setState(goal.orgId, goal.planId, "REFINED", null);
  return { ...goal, state: "REFINED" };
}

/** The goal as lists show it. */
export async function viewOf(tx: Tx, goal: Goal): Promise<GoalView> {
  const view = await tx.goals.find(goal.orgId, goal.planId);
  if (view === undefined) throw new Error("a goal is gone within its own transaction");
  return view;
}

/** Currency and limits that cannot hold together with the charter's. */
export function constraintViolations(charter: Charter, { budget }: Constraints, field: string): readonly Violation[] {
  const theirs = charter.terms.budget.currency;
  if (budget.currency !== "" && theirs !== "" && budget.currency !== theirs) {
    return [{ field: `${field}.budget.currency`, description: `The charter's currency is ${theirs}.`, rule: "goal.budget.currency" }];
  }
  if (budget.moneyMicros !== null && budget.currency === "" && theirs === "") {
    return [{ field: `${field}.budget.currency`, description: "must be given when money is limited", rule: "goal.budget.currency" }];
  }
  return [];
}

function inputsViolations({ inputs }: GoalSpec): readonly Violation[] {
  if (inputs === null) return [];
  const field = "new_goal.spec.inputs";
  if (inputs.kind !== "json") return [{ field, description: "must be a JSON object", rule: "goal.inputs.object" }];
  const parsed = parseJson(inputs.text);
  if (!parsed.ok) return [{ field, description: parsed.problem, rule: "payload.invalid_json" }];
  return isObject(parsed.value) ? [] : [{ field, description: "must be a JSON object", rule: "goal.inputs.object" }];
}

function inputNames({ inputs }: GoalSpec): readonly string[] {
  if (inputs?.kind !== "json") return [];
  const parsed = parseJson(inputs.text);
  return parsed.ok && isObject(parsed.value) ? Object.keys(parsed.value) : [];
}

function duplicates(steps: readonly StepDefinition[]): readonly Violation[] {
  const seen = new Set<string>();
  const found: Violation[] = [];
  for (const [i, { key }] of steps.entries()) {
    if (seen.has(key)) found.push({ field: `steps[${String(i)}].key`, description: `Key ${key} is given twice.`, rule: "graph.duplicate_key" });
    seen.add(key);
  }
  return found.slice(0, 100);
}

/** A step of an open version: its place in time is not known yet. */
function unanalysed(definition: StepDefinition): GraphStep {
  return {
    definition, definitionText: definitionText(definition), fingerprint: fingerprint(definition),
    level: 0, expectedMs: 0, earliestMs: 0, latestMs: 0, totalSlackMs: 0, freeSlackMs: 0, critical: false,
  };
}

function recordOf(kind: string, version: GraphVersion): { readonly kind: string; readonly body: Readonly<Record<string, unknown>> } {
  const { state, digest, stepCount, edgeCount, parentVersion, reason } = version;
  return { kind, body: { version: version.version, state, digest, steps: stepCount, edges: edgeCount, parent: parentVersion, ...(reason === "" ? {} : { reason }) } };
}
