// Lists the edges of a version, by keys.
import type { Operation } from "../engine/operation.ts";
import type { AnalysedEdge } from "../domain/graph.ts";
import { planOfGoal } from "../domain/id.ts";
import type { GoalId } from "../domain/id.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { findGraph } from "./graph-get.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface GraphListEdgesRequest {
  readonly goalId: GoalId;
  readonly version: number;
  readonly page: PageRequest;
}

export const graphListEdges: Operation<GraphListEdgesRequest, Page<AnalysedEdge>> = async (
  tx,
  { goalId, version, page },
  context,
) => {
  const graph = await findGraph(tx, context, goalId, version);
  if (!graph.ok) return graph;
  const found = await tx.graphs.listEdges(context.principal.orgId, planOfGoal(goalId), version, oneMore(page));
  return read(pageOf(found, page, (edge) => [edge.from, edge.to]));
};
