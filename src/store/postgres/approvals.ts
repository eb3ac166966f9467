// Reading approvals. Not here: writing them, which their plans' changes do.
import { and, desc, eq, sql } from "drizzle-orm";
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
          : sql`(${approvals.requestedMs}, ${approvals.approvalId}) < (${ms}, ${id})`;
      return session.db
        .select()
        .from(approvals)
        .where(
          and(
            eq(approvals.orgId, orgId),
            planId === null ? undefined : eq(approvals.planId, planId),
            // Literally: a prepared statement is planned once, and must see that the index of pending ones serves it.
            pendingOnly ? sql`${approvals.state} = 'PENDING'` : undefined,
            below,
          ),
        )
        .orderBy(desc(approvals.requestedMs), desc(approvals.approvalId))
        .limit(page.limit);
    },
  };
}
