// Committing a version inside of a transaction: guards, limits, ratification, activation. Shared by commit, re-plan, the
// composite and the approval. Not here: what becomes of each row, see transition.ts.
import type { News, OperationContext } from "../engine/operation.ts";
import { digestOf } from "../domain/canonical.ts";
import { movedVersion } from "../domain/graph.ts";
import type { AnalysedEdge, GraphStep, GraphVersion } from "../domain/graph.ts";
import { effectiveConstraints } from "../domain/goal.ts";
import type { Constraints, Goal } from "../domain/goal.ts";
import type { ComparedGraph } from "../domain/graph/diff.ts";
import type { ApprovalId, RecordId } from "../domain/id.ts";
import { newRunOf } from "../domain/plan-run.ts";
import type { PlanRunTerms } from "../domain/plan-run.ts";
import { planHasEnded } from "../domain/plan.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided, refused, RefusedError } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { PlanChanges } from "../domain/plan/slice.ts";
import type { StoredRecord } from "../domain/record.ts";
import type { BuiltEdge } from "../domain/plan/rows.ts";
import type { Run } from "../domain/run.ts";
import type { Tx } from "../store/ports/store.ts";
import { artifactsThere, useArtifacts } from "./artifact-premises.ts";
import { allotmentFits, holdsFit, meetsDeadline } from "./commit-limits.ts";
import type { HeavyWork } from "./heavy-work.ts";
import type { GoalAtHand } from "./goal-at-hand.ts";
import type { Transition } from "./transition.ts";
import { decideContext, decideOn, newsOf, readyAtOnce } from "./with-plan.ts";

/** A refined version and the goal it is for. */
export interface Candidate extends GoalAtHand {
  readonly version: GraphVersion;
  readonly steps: readonly GraphStep[];
  readonly edges: readonly AnalysedEdge[];
}

export interface CommitWish {
  /** For the record: graph.commit or graph.replan. */
  readonly operation: string;
  readonly reason: string;
  readonly acceptLate: boolean;
}

export interface Committed {
  readonly plan: PlanRow;
  readonly recordId: RecordId;
  /** The approval that it waits for. */
  readonly approvalId: ApprovalId | null;
  readonly goal: Goal;
  /** For dispatch, after the transaction. */
  readonly news: News;
}

/** A commit that nothing speaks against. */
export interface Prepared {
  readonly candidate: Candidate;
  readonly wish: CommitWish;
  readonly constraints: Constraints;
  readonly transition: Transition;
}

/** Refuses when another version is active than the caller saw. */
export function expectActive(plan: PlanRow, expected: number): Decision<null> {
  if (plan.activeVersion === expected) return decided(null);
  return refused("VERSION_CONFLICT", `Version ${String(plan.activeVersion)} is active, not ${String(expected)}.`, {
    rule: "plan.active_version",
    metadata: { expected: String(expected), actual: String(plan.activeVersion) },
    remedy: "Look at the active version, and decide again.",
  });
}

/** Checks everything that can refuse a commit, and works out what it does. Writes nothing. */
export async function prepareCommit(
  heavy: HeavyWork,
  tx: Tx,
  context: OperationContext,
  candidate: Candidate,
  wish: CommitWish,
): Promise<Decision<Prepared>> {
  const { plan, goal, charter, version } = candidate;
  const open = openForVersions(plan);
  if (!open.ok) return open;
  const constraints = effectiveConstraints(charter.terms, version.constraints ?? goal.spec.constraints);
  const affordable = allotmentFits(plan, constraints);
  if (!affordable.ok) return affordable;
  const there = await artifactsThere(tx, plan.orgId, candidate.steps);
  if (!there.ok) return there;
  const late = wish.acceptLate ? decided(null) : meetsDeadline(version, constraints);
  if (!late.ok) return late;
  const transition = await transitionOf(heavy, tx, context, candidate, constraints);
  const dear = holdsFit(transition, constraints);
  return dear.ok ? decided({ candidate, wish, constraints, transition }) : dear;
}

/**
 * Commits, or asks for ratification when the charter wants it. The plan must be locked. `earlier` are records that the
 * candidate's plan counts already and that are not saved yet; `run` is said of the plan's run, which a first commit makes.
 */
export async function commit(
  tx: Tx,
  context: OperationContext,
  prepared: Prepared,
  earlier: readonly StoredRecord[] = [],
  run: PlanRunTerms = {},
): Promise<Committed> {
  const { plan, goal, charter } = prepared.candidate;
  // What was ratified, or is re-planned, has its run.
  const also = { earlier, run: plan.state === "UNCOMMITTED" ? newRunOf(goal, run) : null };
  return charter.terms.ratifyCommits
    ? requestRatification(tx, context, prepared, also)
    : activate(tx, context, prepared, also);
}

/** What a commit saves besides what it decided. */
interface Also {
  readonly earlier: readonly StoredRecord[];
  readonly run: Run | null;
}

/** Plan row and records are written once, whatever happened before in the transaction; the run goes with them. */
async function saveWith(tx: Tx, { earlier, run }: Also, changes: PlanChanges): Promise<void> {
  if (run !== null) await tx.runs.addOfPlan(run);
  await tx.plans.save(earlier.length === 0 ? changes : { ...changes, records: [...earlier, ...changes.records] });
}

/** Makes the version the active one. */
export async function activate(
  tx: Tx,
  context: OperationContext,
  { candidate, wish, constraints, transition }: Prepared,
  also: Also = { earlier: [], run: null },
): Promise<Committed> {
  const { plan, version } = candidate;
  const { orgId, planId } = plan;
  const { succession } = transition;
  // First out, then in: an edge whose kind of waiting changed is both.
  if (succession.removedEdges.length > 0) await tx.plans.removeEdges(orgId, planId, succession.removedEdges);
  if (succession.added.length + succession.addedEdges.length > 0)
    await tx.plans.addSteps(orgId, planId, succession.added, succession.addedEdges);
  if (plan.activeVersion > 0) await tx.graphs.setState(orgId, planId, plan.activeVersion, "SUPERSEDED");
  await tx.graphs.setState(orgId, planId, version.version, movedVersion(version.state, "ACTIVE"));
  const { arrivals, settled, removed, undoFirst, rewired, readyAtOnce: atOnce, added } = succession;
  const claims = context.handover.reserve(readyAtOnce(plan, added));
  const claimed = new Set(claims.map(({ ordinal }) => ordinal));
  const command = {
    kind: "activate" as const,
    operation: wish.operation,
    reason: wish.reason,
    version: version.version,
    constraints,
    added: added.length,
    arrivals,
    settled,
    removed,
    undoFirst,
    rewired,
    readyAtOnce: atOnce,
    claims,
    traceparent: context.traceparent,
  };
  const rows = added.map(({ row }) => row).filter(({ ordinal }) => claimed.has(ordinal));
  const decision = await decideOn(tx, plan, command, await decideContext(tx, context), rows);
  // Rows are written by now: a refusal here must undo them.
  if (!decision.ok) throw new RefusedError(decision.refusal);
  const used = await useArtifacts(tx, plan, candidate.steps);
  if (!used.ok) throw new RefusedError(used.refusal);
  await saveWith(tx, also, decision.value.changes);
  await tx.executors.ensureDemands(succession.demands);
  return {
    plan: decision.value.changes.plan,
    recordId: decision.value.recordId,
    approvalId: null,
    goal: { ...candidate.goal, ...decision.value.changes.goal },
    news: newsOf(decision.value, succession.added),
  };
}

/** What carrying out a ratified commit needs; kept with the approval. */
export interface RatificationContext extends CommitWish {
  readonly expectedActiveVersion: number;
}

async function requestRatification(
  tx: Tx,
  context: OperationContext,
  { candidate, wish, constraints }: Prepared,
  also: Also,
): Promise<Committed> {
  const { plan, version, goal } = candidate;
  const { orgId, planId } = plan;
  const kept: RatificationContext = { ...wish, expectedActiveVersion: plan.activeVersion };
  const name = goal.spec.name === "" ? "this goal" : `goal ${goal.spec.name}`;
  const command = {
    kind: "request-ratification" as const,
    operation: wish.operation,
    version: version.version,
    digest: ratificationDigest(version, constraints),
    question: `May version ${String(version.version)} of ${name} become active (${String(version.stepCount)} steps)?`,
    requestedBy: context.principal.name,
    context: JSON.stringify(kept),
  };
  const decision = await decideOn(tx, plan, command, await decideContext(tx, context));
  if (!decision.ok) throw new RefusedError(decision.refusal);
  if (version.state !== "AWAITING_RATIFICATION")
    await tx.graphs.setState(orgId, planId, version.version, movedVersion(version.state, "AWAITING_RATIFICATION"));
  await saveWith(tx, also, decision.value.changes);
  return {
    plan: decision.value.changes.plan,
    recordId: decision.value.recordId,
    approvalId: decision.value.approvalId,
    goal: { ...goal, ...decision.value.changes.goal },
    news: newsOf(decision.value),
  };
}

/** Digest of exactly what is ratified: the graph, and the limits under which it runs. */
export function ratificationDigest(version: GraphVersion, constraints: Constraints): string {
  return digestOf({ plan: version.planId, version: version.version, graph: version.digest, constraints });
}

/** The version as a commit needs it. */
export async function loadCandidate(tx: Tx, at: GoalAtHand, version: GraphVersion): Promise<Candidate> {
  const { orgId, planId } = at.plan;
  const [steps, edges] = await Promise.all([
    tx.graphs.steps(orgId, planId, version.version),
    tx.graphs.edges(orgId, planId, version.version),
    // Whoever commits asks for it next, and is given this reading.
    tx.nowMs(),
  ]);
  return { ...at, version, steps, edges };
}

/** What the candidate would do to the rows as they stand. */
export async function transitionOf(
  heavy: HeavyWork,
  tx: Tx,
  context: OperationContext,
  { plan, version, steps, edges, charter }: Candidate,
  constraints: Constraints,
): Promise<Transition> {
  if (version.analysis === null) throw new Error("a version without an analysis cannot be committed");
  const slice = tx.plans.slice(plan);
  let before: ComparedGraph | null = null;
  if (plan.activeVersion > 0) {
    before = await loadGraph(tx, plan, plan.activeVersion);
    await tx.plans.complete(slice, { whole: true });
  }
  const rowEdges: BuiltEdge[] = [];
  for (const [from, children] of slice.children)
    for (const { to, regardless } of children) rowEdges.push({ from, to, regardless });
  const input = {
    orgId: plan.orgId,
    planId: plan.planId,
    planState: plan.state,
    committedMs: plan.committedMs,
    version: version.version,
    nextOrdinal: plan.nextOrdinal,
    minTrust: constraints.minTrust,
    staleRule: charter.terms.staleRule,
    undoFirst: true,
    nowMs: await tx.nowMs(),
    before,
    after: { steps, edges, analysis: version.analysis },
    rows: [...slice.steps.values()],
    rowEdges,
  };
  return heavy.transition(input, context);
}

/** A version with its steps, edges and analysis. */
export async function loadGraph(tx: Tx, { orgId, planId }: PlanRow, number: number): Promise<ComparedGraph> {
  const version = await tx.graphs.findVersion(orgId, planId, number);
  if (version === undefined || version.analysis === null) throw new Error(`version ${String(number)} has no analysis`);
  return {
    analysis: version.analysis,
    steps: await tx.graphs.steps(orgId, planId, number),
    edges: await tx.graphs.edges(orgId, planId, number),
  };
}

/** Whether another version may take over now. */
export function openForVersions(plan: PlanRow): Decision<null> {
  const ending = plan.ending !== null || plan.state === "COMPENSATING";
  if (!ending && plan.state !== "CANCELLED") return decided(null);
  return refused("STATE_CONFLICT", planHasEnded(plan.state) ? "The plan was cancelled." : "The plan is ending.", {
    metadata: { kind: "plan", id: plan.planId, state: plan.state },
    remedy: ending ? "Wait until it has ended, then re-plan." : "Refine a new goal.",
  });
}
