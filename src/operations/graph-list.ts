// Lists the graph versions of a goal, newest first.
import type { Operation } from "../engine/operation.ts";
import type { GraphVersion } from "../domain/graph.ts";
import { planOfGoal } from "../domain/id.ts";
import type { GoalId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface GraphListRequest {
  readonly goalId: GoalId;
  readonly page: PageRequest;
}

export const graphList: Operation<GraphListRequest, Page<GraphVersion>> = async (tx, { goalId, page }, context) => {
  const { orgId } = context.principal;
  const planId = planOfGoal(goalId);
  if ((await tx.plans.find(orgId, planId)) === undefined) return notFound("goal", goalId);
  const versions = await tx.graphs.listVersions(orgId, planId, oneMore(page));
  return read(pageOf(versions, page, (version) => [version.version]));
};
