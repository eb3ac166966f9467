// ApprovalService: questions to approvers.
import { ApprovalService } from "../../../gen/maestro/v1/approval_service_pb.ts";
import { approvalToWire } from "../mapping/approval.ts";
import { idIn, optionalIdIn } from "../mapping/problems.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function approvalRoutes(kit: Kit): readonly Route[] {
  const { approvalGet, approvalList, approvalDecide } = kit.operations;
  return [
    operationRoute(kit, ApprovalService.method.getApproval, {
      operation: approvalGet,
      request: ({ approvalId }, problems) => ({ approvalId: idIn(problems, "approval_id", "approval", approvalId) }),
      answer: (approval) => ({ approval: approvalToWire(approval) }),
    }),
    operationRoute(kit, ApprovalService.method.listApprovals, {
      operation: approvalList,
      request: ({ planId, pendingOnly }, problems, { page }) => ({
        planId: optionalIdIn(problems, "plan_id", "plan", planId),
        pendingOnly,
        page,
      }),
      answer: ({ items, next }, _, paging) => ({
        approvals: items.map(approvalToWire),
        nextPageToken: paging.next(next),
      }),
    }),
    operationRoute(kit, ApprovalService.method.decideApproval, {
      operation: approvalDecide,
      request: ({ approvalId, approve, digest, comment }, problems) => ({
        approvalId: idIn(problems, "approval_id", "approval", approvalId),
        approve,
        digest,
        comment,
      }),
      answer: (approval) => ({ approval: approvalToWire(approval) }),
    }),
  ];
}
