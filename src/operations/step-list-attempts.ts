// Lists the attempts of a step that ended, oldest first.
import type { Operation } from "../engine/operation.ts";
import type { PlanId } from "../domain/id.ts";
import type { Attempt } from "../domain/outcome.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";
import { stepGet } from "./step-get.ts";

export interface StepListAttemptsRequest {
  readonly planId: PlanId;
  readonly step: string;
  readonly page: PageRequest;
}

export const stepListAttempts: Operation<StepListAttemptsRequest, Page<Attempt>> = async (
  tx,
  { planId, step, page },
  context,
) => {
  const view = await stepGet(tx, { planId, step }, context);
  if (!view.ok) return view;
  const attempts = await tx.plans.listAttempts(context.principal.orgId, planId, step, oneMore(page));
  return read(pageOf(attempts, page, (attempt) => [attempt.ordinal, attempt.fencing]));
};
