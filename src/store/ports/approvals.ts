// Approvals in the store. They are written with their plan's changes, see plans.ts.
import type { Approval } from "../../domain/approval.ts";
import type { ApprovalId, OrgId, PlanId } from "../../domain/id.ts";
import type { PageRequest } from "./paging.ts";

export interface ApprovalRepository {
  find(orgId: OrgId, approvalId: ApprovalId): Promise<Approval | undefined>;
  /** Newest first; sort key [requested_ms, approval_id]. */
  list(
    orgId: OrgId,
    query: { readonly planId: PlanId | null; readonly pendingOnly: boolean },
    page: PageRequest,
  ): Promise<readonly Approval[]>;
}
