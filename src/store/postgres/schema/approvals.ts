// Questions to approvers. Not here: statements.
import { bigint, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { ApprovalState, ApprovalSubject } from "../../../domain/approval.ts";
import type { ApprovalId, OrgId, PlanId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const approvals = maestro.table(
  "approvals",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    approvalId: uuid("approval_id").$type<ApprovalId>().notNull(),
    subject: text("subject").$type<ApprovalSubject>().notNull(),
    ordinal: integer("ordinal"),
    step: text("step").notNull(),
    version: integer("version").notNull(),
    digest: text("digest").notNull(),
    state: text("state").$type<ApprovalState>().notNull(),
    question: text("question").notNull(),
    requestedBy: text("requested_by").notNull(),
    requestedMs: bigint("requested_ms", { mode: "number" }).notNull(),
    decidedBy: text("decided_by"),
    decidedMs: bigint("decided_ms", { mode: "number" }),
    comment: text("comment").notNull(),
    /** JSON text: what carrying out the decision needs. */
    context: text("context").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.approvalId] })],
);
