// Compares two versions of a goal, and says what would become of each step if the second took the first's place now.
import type { Operation } from "../engine/operation.ts";
import type { Edge } from "../domain/graph.ts";
import type { DiffSummary, StepDifference } from "../domain/graph/diff.ts";
import { planOfGoal } from "../domain/id.ts";
import type { GoalId } from "../domain/id.ts";
import { refused } from "../domain/refusal.ts";
import { effectiveConstraints } from "../domain/goal.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { loadCandidate, loadGraph, transitionOf } from "./commit-version.ts";
import { read } from "./done.ts";
import { findGraph } from "./graph-get.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { pageOf } from "./page.ts";
import type { SortKey } from "./page.ts";

export interface GraphDiffRequest {
  readonly goalId: GoalId;
  readonly fromVersion: number;
  readonly toVersion: number;
  readonly page: PageRequest;
}
export interface GraphDiffResponse {
  readonly summary: DiffSummary;
  /** Steps that differ, by key; sort key [key]. */
  readonly steps: readonly StepDifference[];
  /** With the first page. */
  readonly addedEdges: readonly Edge[];
  readonly removedEdges: readonly Edge[];
  readonly next: SortKey | null;
}

export function graphDiff(heavy: HeavyWork): Operation<GraphDiffRequest, GraphDiffResponse> {
  return async (tx, { goalId, fromVersion, toVersion, page }, context) => {
    const { orgId } = context.principal;
    const planId = planOfGoal(goalId);
    const from = await findGraph(tx, context, goalId, fromVersion);
    if (!from.ok) return from;
    const to = await findGraph(tx, context, goalId, toVersion);
    if (!to.ok) return to;
    for (const { version, analysis, state } of [from.value, to.value]) {
      if (analysis === null)
        return refused("STATE_CONFLICT", `Version ${String(version)} is ${state}: it was not refined yet.`, {
          metadata: { kind: "graph version", id: String(version), state },
        });
    }
    const plan = await tx.plans.find(orgId, planId);
    const goal = await tx.goals.find(orgId, planId);
    const charter =
      goal === undefined ? undefined : await tx.charters.find(orgId, goal.charterId, goal.charterRevision);
    if (plan === undefined || goal === undefined || charter === undefined)
      throw new Error("a graph version without its goal");
    const candidate = await loadCandidate(tx, { plan, goal, charter }, to.value);
    const constraints = effectiveConstraints(charter.terms, to.value.constraints ?? goal.spec.constraints);
    // Against a version that is not active there are no rows to say where its steps stand.
    const { diff } =
      fromVersion === plan.activeVersion
        ? await transitionOf(heavy, tx, context, candidate, constraints)
        : await heavy.transition(
            {
              orgId,
              planId,
              planState: plan.state,
              version: toVersion,
              nextOrdinal: 1,
              minTrust: constraints.minTrust,
              staleRule: charter.terms.staleRule,
              nowMs: 0,
              committedMs: plan.committedMs,
              before: await loadGraph(tx, plan, fromVersion),
              after: {
                steps: candidate.steps,
                edges: candidate.edges,
                analysis: candidate.version.analysis ?? impossible(),
              },
              rows: [],
              rowEdges: [],
            },
            context,
          );
    if (diff === null) throw new Error("two versions were compared without a difference");
    const after = page.after?.[0] ?? null;
    const rest = after === null ? diff.steps : diff.steps.filter((s) => s.key > String(after));
    const { items, next } = pageOf(rest, page, (s) => [s.key]);
    const first = page.after === null;
    return read({
      summary: diff.summary,
      steps: items,
      addedEdges: first ? diff.addedEdges : [],
      removedEdges: first ? diff.removedEdges : [],
      next,
    });
  };
}

function impossible(): never {
  throw new Error("a version without an analysis was let through");
}
