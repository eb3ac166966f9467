// GraphService: graph versions, their steps and edges, and large graphs in pages.
import { GraphService } from "../../../gen/maestro/v1/graph_service_pb.ts";
import { edgeToWire, graphStepToWire, graphVersionToWire } from "../mapping/graph.ts";
import { idIn } from "../mapping/problems.ts";
import { definitionsIn } from "../mapping/step.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function graphRoutes(kit: Kit): readonly Route[] {
  const { graphAddSteps, graphGet, graphList, graphListSteps, graphListEdges } = kit.operations;
  return [
    operationRoute(kit, GraphService.method.addSteps, {
      operation: graphAddSteps,
      request: ({ goalId, version, steps }, problems) => ({
        goalId: idIn(problems, "goal_id", "goal", goalId),
        version,
        steps: definitionsIn(problems, "steps", steps),
      }),
      answer: (version) => ({ version: graphVersionToWire(version) }),
    }),
    operationRoute(kit, GraphService.method.getGraph, {
      operation: graphGet,
      request: ({ goalId, version }, problems) => ({ goalId: idIn(problems, "goal_id", "goal", goalId), version }),
      answer: (version) => ({ version: graphVersionToWire(version) }),
    }),
    operationRoute(kit, GraphService.method.listGraphs, {
      operation: graphList,
      request: ({ goalId }, problems, { page }) => ({ goalId: idIn(problems, "goal_id", "goal", goalId), page }),
      answer: ({ items, next }, _, paging) => ({
        versions: items.map(graphVersionToWire),
        nextPageToken: paging.next(next),
      }),
    }),
    operationRoute(kit, GraphService.method.listGraphSteps, {
      operation: graphListSteps,
      request: ({ goalId, version }, problems, { page }) => ({
        goalId: idIn(problems, "goal_id", "goal", goalId),
        version,
        page,
      }),
      answer: ({ items, next }, _, paging) => ({ steps: items.map(graphStepToWire), nextPageToken: paging.next(next) }),
    }),
    operationRoute(kit, GraphService.method.listGraphEdges, {
      operation: graphListEdges,
      request: ({ goalId, version }, problems, { page }) => ({
        goalId: idIn(problems, "goal_id", "goal", goalId),
        version,
        page,
      }),
      answer: ({ items, next }, _, paging) => ({ edges: items.map(edgeToWire), nextPageToken: paging.next(next) }),
    }),
  ];
}
