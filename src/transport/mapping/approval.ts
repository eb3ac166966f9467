// Approvals as messages.
import type { Approval as WireApproval } from "../../../gen/maestro/v1/approval_pb.ts";
import type { Approval } from "../../domain/approval.ts";
import { idText } from "./problems.ts";
import { optionalTimestamp, timestamp } from "./time.ts";
import { approvalStates, approvalSubjects } from "./words.ts";

export function approvalToWire(approval: Approval): WireApproval {
  return {
    $typeName: "maestro.v1.Approval",
    approvalId: idText("approval", approval.approvalId),
    planId: idText("plan", approval.planId),
    subject: approvalSubjects.number(approval.subject),
    step: approval.step,
    version: approval.version,
    digest: approval.digest,
    state: approvalStates.number(approval.state),
    requestedBy: approval.requestedBy,
    requestedAt: timestamp(approval.requestedMs),
    decidedBy: approval.decidedBy ?? "",
    decidedAt: optionalTimestamp(approval.decidedMs),
    comment: approval.comment,
    question: approval.question,
  };
}
