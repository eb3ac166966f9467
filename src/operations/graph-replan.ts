// Makes a next version from a patch of the active one and commits it, or only says what that would do.
import type { Operation } from "../engine/operation.ts";
import type { Constraints } from "../domain/goal.ts";
import type { GraphVersion } from "../domain/graph.ts";
import type { DiffSummary, StepDifference } from "../domain/graph/diff.ts";
import { goalOfPlan } from "../domain/id.ts";
import type { ApprovalId, PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided, invalid, notFound, refused, RefusedError } from "../domain/refusal.ts";
import type { Decision, Violation } from "../domain/refusal.ts";
import type { StepDefinition } from "../domain/step.ts";
import { commit, expectActive, openForVersions, prepareCommit } from "./commit-version.ts";
import type { CommitWish, Prepared } from "./commit-version.ts";
import { read } from "./done.ts";
import { mapGently } from "./gently.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { analyseFor, constraintViolations, executorsOf, goalAtHand } from "./goal-at-hand.ts";
import { addVersion, refinedVersion } from "./graph-version.ts";
import type { RefinedGraph } from "./refine-steps.ts";

export interface GraphReplanRequest {
  readonly planId: PlanId;
  /** To add, or to put in place of those with the same keys. */
  readonly upsert: readonly StepDefinition[];
  readonly remove: readonly string[];
  readonly dryRun: boolean;
  readonly expectedActiveVersion: number;
  /** Zero for no check. */
  readonly expectedRevision: number;
  readonly reason: string;
  /** New limits; null keeps those that hold. */
  readonly constraints: Constraints | null;
}
export interface GraphReplanResponse {
  /** Its number is zero after a dry run. */
  readonly version: GraphVersion;
  readonly summary: DiffSummary;
  /** At most 1,000. */
  readonly steps: readonly StepDifference[];
  readonly plan: PlanRow;
  readonly approvalId: ApprovalId | null;
  /** Done or running steps that consumed what a rerun step will produce anew. */
  readonly staleSteps: readonly string[];
}

const STEPS_SHOWN = 1_000;

export function graphReplan(heavy: HeavyWork): Operation<GraphReplanRequest, GraphReplanResponse> {
  return async (tx, request, context) => {
    const { planId } = request;
    const found = await goalAtHand(tx, context, goalOfPlan(planId));
    if (!found.ok || found.value.plan.activeVersion === 0) return notFound("plan", planId);
    const at = found.value;
    const { plan, goal, charter } = at;
    const guarded = guard(plan, request);
    if (!guarded.ok) return guarded;
    const active = await tx.graphs.findVersion(plan.orgId, planId, plan.activeVersion);
    if (active === undefined) throw new Error("a plan without its active version");
    const wrong = request.constraints === null ? [] : constraintViolations(charter, request.constraints, "constraints");
    if (wrong.length > 0) return invalid(...wrong);
    const constraints = request.constraints ?? active.constraints;
    const patched = patch(
      await mapGently(await tx.graphs.steps(plan.orgId, planId, active.version), (s) => s.definition),
      request,
      active.version,
    );
    if (!patched.ok) return patched;
    const graph = await analyseFor(
      heavy,
      await executorsOf(tx, plan.orgId),
      { ...at, constraints: constraints ?? goal.spec.constraints },
      patched.value.steps,
      patched.value.paths,
      context,
    );
    if (!graph.ok) return graph;
    const wish: CommitWish = { operation: "graph.replan", reason: request.reason, acceptLate: true };
    const number = plan.newestVersion + 1;
    const version = versionOf(active, graph.value, {
      number,
      constraints,
      reason: request.reason,
      createdBy: context.principal.name,
      createdMs: await tx.nowMs(),
    });
    const prepared = await prepareCommit(
      heavy,
      tx,
      context,
      { ...at, version, steps: graph.value.steps, edges: graph.value.edges },
      wish,
    );
    if (!prepared.ok) return prepared;
    if (request.dryRun) return read(responseOf(prepared.value, { ...version, version: 0 }, plan, null));
    const added = await addVersion(tx, context, at, {
      graph: graph.value,
      open: [],
      constraints,
      parentVersion: active.version,
      reason: request.reason,
      operation: "goal.refine",
    });
    if (!added.ok) throw new RefusedError(added.refusal);
    const committed = await commit(
      tx,
      context,
      { ...prepared.value, candidate: added.value },
      added.value.changes.records,
    );
    const state = committed.approvalId === null ? "ACTIVE" : "AWAITING_RATIFICATION";
    return decided({
      value: responseOf(prepared.value, { ...added.value.version, state }, committed.plan, committed.approvalId),
      recordId: committed.recordId,
      ...committed.news,
    });
  };
}

function guard(plan: PlanRow, request: GraphReplanRequest): Decision<null> {
  const open = openForVersions(plan);
  if (!open.ok) return open;
  const expected = expectActive(plan, request.expectedActiveVersion);
  if (!expected.ok) return expected;
  if (request.expectedRevision === 0 || request.expectedRevision === plan.rev) return decided(null);
  return refused(
    "VERSION_CONFLICT",
    `The plan moved since: its revision is ${String(plan.rev)}, not ${String(request.expectedRevision)}.`,
    {
      rule: "plan.revision",
      metadata: { expected: String(request.expectedRevision), actual: String(plan.rev) },
      remedy: "Repeat the dry run.",
    },
  );
}

interface Patched {
  readonly steps: readonly StepDefinition[];
  /** Where each step came from, for refusals. */
  readonly paths: readonly string[];
}

/** The steps of the active version with the patch; steps keep their places, new ones come last. */
function patch(
  before: readonly StepDefinition[],
  { upsert, remove }: GraphReplanRequest,
  version: number,
): Decision<Patched> {
  const violations: Violation[] = [];
  const replaced = new Map<string, number>();
  for (const [i, { key }] of upsert.entries()) {
    if (replaced.has(key))
      violations.push({
        field: `upsert[${String(i)}].key`,
        description: `Key ${key} is given twice.`,
        rule: "graph.duplicate_key",
      });
    replaced.set(key, i);
  }
  const known = new Set(before.map((s) => s.key));
  const gone = new Set(remove);
  for (const [i, key] of remove.entries()) {
    if (replaced.has(key))
      violations.push({
        field: `remove[${String(i)}]`,
        description: `Step ${key} is also in upsert.`,
        rule: "replan.contradiction",
      });
    else if (!known.has(key))
      violations.push({
        field: `remove[${String(i)}]`,
        description: `There is no step ${key} in version ${String(version)}.`,
        rule: "replan.unknown_step",
      });
  }
  if (violations.length > 0) return invalid(...violations.slice(0, 100));
  const steps: StepDefinition[] = [];
  const paths: string[] = [];
  for (const step of before) {
    if (gone.has(step.key)) continue;
    const i = replaced.get(step.key);
    steps.push(i === undefined ? step : (upsert[i] ?? step));
    paths.push(i === undefined ? `steps[${JSON.stringify(step.key)}]` : `upsert[${String(i)}]`);
  }
  for (const [i, step] of upsert.entries()) {
    if (known.has(step.key)) continue;
    steps.push(step);
    paths.push(`upsert[${String(i)}]`);
  }
  return decided({ steps, paths });
}

function versionOf(
  active: GraphVersion,
  graph: RefinedGraph,
  made: {
    readonly number: number;
    readonly constraints: Constraints | null;
    readonly reason: string;
    readonly createdBy: string;
    readonly createdMs: number;
  },
): GraphVersion {
  const { number, ...rest } = made;
  return refinedVersion({ ...active, ...rest, version: number, parentVersion: active.version, state: "DRAFT" }, graph);
}

function responseOf(
  { transition }: Prepared,
  version: GraphVersion,
  plan: PlanRow,
  approvalId: ApprovalId | null,
): GraphReplanResponse {
  const { diff, succession } = transition;
  if (diff === null) throw new Error("a re-plan without an active version");
  return {
    version,
    summary: diff.summary,
    steps: diff.steps.slice(0, STEPS_SHOWN),
    plan,
    approvalId,
    staleSteps: succession.stale,
  };
}
