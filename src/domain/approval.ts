// Questions to approvers; one approver decides each. Not here: what the answer sets in motion, see plan/.
import type { ApprovalId, OrgId, PlanId } from "./id.ts";

export type ApprovalSubject = "COMMIT" | "STEP" | "FAILURE";
export type ApprovalState = "PENDING" | "APPROVED" | "REJECTED" | "WITHDRAWN";

export interface Approval {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly approvalId: ApprovalId;
  readonly subject: ApprovalSubject;
  readonly ordinal: number | null;
  readonly step: string;
  readonly version: number;
  readonly digest: string;
  readonly state: ApprovalState;
  readonly question: string;
  readonly requestedBy: string;
  readonly requestedMs: number;
  readonly decidedBy: string | null;
  readonly decidedMs: number | null;
  readonly comment: string;
  /** JSON text: what carrying out the decision needs. */
  readonly context: string;
}
