// Reading approvals. Not here: writing them, which their plans' changes do.
import { and, desc, eq, lt, or } from "drizzle-orm";
import type { ApprovalId } from "../../domain/id.ts";
import type { ApprovalRepository } from "../ports/approvals.ts";
import { approvals } from "./schema/approvals.ts";
import type { Session } from "./transaction.ts";

export function createApprovalRepository(session: Session): ApprovalRepository {
  return {
    find: async (orgId, approvalId) => {
      const [row] = await session.db
        .select()
        .from(approvals)
        .where(and(eq(approvals.orgId, orgId), eq(approvals.approvalId, approvalId)));
      return row;
    },
    list: async (orgId, { planId, pendingOnly }, page) => {
      const [ms, id] = (page.after ?? []) as [number?, ApprovalId?];
      const below =
        ms === undefined || id === undefined
          ? undefined
          : or(lt(approvals.requestedMs, ms), and(eq(approvals.requestedMs, ms), lt(approvals.approvalId, id)));
      return session.db
        .select()
        .from(approvals)
        .where(
          and(
            eq(approvals.orgId, orgId),
            planId === null ? undefined : eq(approvals.planId, planId),
            pendingOnly ? eq(approvals.state, "PENDING") : undefined,
            below,
          ),
        )
        .orderBy(desc(approvals.requestedMs), desc(approvals.approvalId))
        .limit(page.limit);
    },
  };
}
