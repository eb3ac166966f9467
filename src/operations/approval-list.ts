// Lists approvals, newest first.
import type { Operation } from "../engine/operation.ts";
import type { Approval } from "../domain/approval.ts";
import type { PlanId } from "../domain/id.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface ApprovalListRequest {
  readonly planId: PlanId | null;
  readonly pendingOnly: boolean;
  readonly page: PageRequest;
}

export const approvalList: Operation<ApprovalListRequest, Page<Approval>> = async (
  tx,
  { planId, pendingOnly, page },
  context,
) => {
  const approvals = await tx.approvals.list(context.principal.orgId, { planId, pendingOnly }, oneMore(page));
  return read(pageOf(approvals, page, (approval) => [approval.requestedMs, approval.approvalId]));
};
