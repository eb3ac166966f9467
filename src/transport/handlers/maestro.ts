// MaestroService: the nine operations and the planner's composite. Not here: DispatchNext and ReportOutcome, see pull.ts.
import { MaestroService } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import type { NewGoal } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import type { GoalId } from "../../domain/id.ts";
import type { GoalSpec } from "../../domain/goal.ts";
import { charterToWire, termsOf } from "../mapping/charter.ts";
import { creditTraceToWire } from "../mapping/credit.ts";
import { diffSummaryToWire, fittingDifferences, stepDifferenceToWire } from "../mapping/diff.ts";
import { constraintsOf, goalSpecIn, goalToWire } from "../mapping/goal.ts";
import { edgeToWire, graphVersionToWire } from "../mapping/graph.ts";
import { planToWire } from "../mapping/plan.ts";
import { charterNameOrId, idIn, optionalIdText } from "../mapping/problems.ts";
import type { Problems } from "../mapping/problems.ts";
import { definitionsIn } from "../mapping/step.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

type Target =
  | { readonly kind: "existing"; readonly goalId: GoalId }
  | { readonly kind: "new"; readonly charter: string; readonly spec: GoalSpec };
type WireTarget =
  | { readonly case: "goalId"; readonly value: string }
  | { readonly case: "newGoal"; readonly value: NewGoal }
  | { readonly case: undefined };

export function maestroRoutes(kit: Kit): readonly Route[] {
  const { charterDeclare, goalRefine, graphCommit, graphDiff, graphReplan, creditTrace, queryGoals, maestroPlan } =
    kit.operations;
  const { method } = MaestroService;
  return [
    operationRoute(kit, method.declareCharter, {
      operation: charterDeclare,
      request: ({ name, terms, expectedRevision }) => ({ name, terms: termsOf(terms), expectedRevision }),
      answer: ({ charter, changed }) => ({ charter: charterToWire(charter), changed }),
    }),
    operationRoute(kit, method.refineGoal, {
      operation: goalRefine,
      request: ({ target, steps, version, open }, problems) => ({
        target: targetIn(problems, target),
        steps: definitionsIn(problems, "steps", steps),
        version,
        open,
      }),
      answer: ({ goal, version }) => ({ goal: goalToWire(goal), version: graphVersionToWire(version) }),
    }),
    operationRoute(kit, method.commitGraph, {
      operation: graphCommit,
      request: ({ goalId, version, expectedActiveVersion, acceptLate }, problems) => ({
        goalId: idIn(problems, "goal_id", "goal", goalId),
        version,
        expectedActiveVersion,
        acceptLate,
      }),
      answer: ({ plan, approvalId }) => ({
        plan: planToWire(plan),
        approvalId: optionalIdText("approval", approvalId),
      }),
    }),
    operationRoute(kit, method.diffGraphs, {
      operation: graphDiff,
      request: ({ goalId, fromVersion, toVersion }, problems, { page }) => ({
        goalId: idIn(problems, "goal_id", "goal", goalId),
        fromVersion,
        toVersion,
        page,
      }),
      answer: ({ summary, steps, addedEdges, removedEdges, next }, _, paging) => ({
        summary: diffSummaryToWire(summary),
        steps: steps.map(stepDifferenceToWire),
        addedEdges: addedEdges.map(edgeToWire),
        removedEdges: removedEdges.map(edgeToWire),
        nextPageToken: paging.next(next),
      }),
    }),
    operationRoute(kit, method.replanGraph, {
      operation: graphReplan,
      dryRun: ({ dryRun }) => dryRun,
      request: (message, problems) => ({
        planId: idIn(problems, "plan_id", "plan", message.planId),
        upsert: definitionsIn(problems, "upsert", message.upsert),
        remove: message.remove,
        dryRun: message.dryRun,
        expectedActiveVersion: message.expectedActiveVersion,
        expectedRevision: Number(message.expectedRevision),
        reason: message.reason,
        constraints: message.constraints === undefined ? null : constraintsOf(message.constraints),
      }),
      answer: ({ version, summary, steps, plan, approvalId, staleSteps }) => ({
        version: graphVersionToWire(version),
        summary: diffSummaryToWire(summary),
        steps: fittingDifferences(steps).map(stepDifferenceToWire),
        plan: planToWire(plan),
        approvalId: optionalIdText("approval", approvalId),
        staleSteps: [...staleSteps],
      }),
    }),
    operationRoute(kit, method.traceCredit, {
      operation: creditTrace,
      request: ({ planId, step }, problems) => ({ planId: idIn(problems, "plan_id", "plan", planId), step }),
      answer: ({ trace, names }) => ({ trace: creditTraceToWire(trace, names) }),
    }),
    operationRoute(kit, method.queryGoals, {
      operation: queryGoals,
      request: ({ charter, filter, orderBy }, _, { page }) => ({
        charter: charterNameOrId(charter),
        filter,
        orderBy,
        page,
      }),
      answer: ({ items, next }, _, paging) => ({ goals: items.map(goalToWire), nextPageToken: paging.next(next) }),
    }),
    operationRoute(kit, method.plan, {
      operation: maestroPlan,
      request: ({ target, steps, acceptLate }, problems) => ({
        target: targetIn(problems, target),
        steps: definitionsIn(problems, "steps", steps),
        acceptLate,
      }),
      answer: ({ goal, version, plan, approvalId }) => ({
        goal: goalToWire(goal),
        version: graphVersionToWire(version),
        plan: planToWire(plan),
        approvalId: optionalIdText("approval", approvalId),
      }),
    }),
  ];
}

function targetIn(problems: Problems, target: WireTarget): Target {
  switch (target.case) {
    case "goalId":
      return { kind: "existing", goalId: idIn(problems, "goal_id", "goal", target.value) };
    case "newGoal":
      return {
        kind: "new",
        charter: charterNameOrId(target.value.charter),
        spec: goalSpecIn(problems, "new_goal.spec", target.value.spec),
      };
    case undefined:
      problems.add("target", "needs goal_id or new_goal", "oneof.required");
      return { kind: "existing", goalId: "" as GoalId };
  }
}
