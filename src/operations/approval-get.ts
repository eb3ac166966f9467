// Returns an approval.
import type { Operation } from "../engine/operation.ts";
import type { Approval } from "../domain/approval.ts";
import type { ApprovalId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";

export interface ApprovalGetRequest {
  readonly approvalId: ApprovalId;
}

export const approvalGet: Operation<ApprovalGetRequest, Approval> = async (tx, { approvalId }, context) => {
  const approval = await tx.approvals.find(context.principal.orgId, approvalId);
  return approval === undefined ? notFound("approval", approvalId) : read(approval);
};
