// Approves or rejects. A ratified commit becomes active in the same transaction; whoever caused a ratification cannot decide it.
import type { Operation, OperationContext } from "../engine/operation.ts";
import type { Approval } from "../domain/approval.ts";
import { effectiveConstraints } from "../domain/goal.ts";
import { goalOfPlan } from "../domain/id.ts";
import type { ApprovalId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import type { PlanDecision } from "../domain/plan/decide.ts";
import { decided, notFound, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { Tx } from "../store/ports/store.ts";
import { activate, expectActive, loadCandidate, prepareCommit, ratificationDigest } from "./commit-version.ts";
import type { Prepared, RatificationContext } from "./commit-version.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { goalAtHand } from "./goal-at-hand.ts";
import { decideContext, decideOn, lockPlan, newsOf } from "./with-plan.ts";

export interface ApprovalDecideRequest {
  readonly approvalId: ApprovalId;
  readonly approve: boolean;
  /** Of what is approved, as it was shown. */
  readonly digest: string;
  readonly comment: string;
}

export function approvalDecide(heavy: HeavyWork): Operation<ApprovalDecideRequest, Approval> {
  return async (tx, request, context) => {
    const { orgId } = context.principal;
    const shown = await tx.approvals.find(orgId, request.approvalId);
    if (shown === undefined) return notFound("approval", request.approvalId);
    const locked = await lockPlan(tx, context, shown.planId);
    if (!locked.ok) return locked;
    // Read again under the lock: somebody else may have decided.
    const approval = (await tx.approvals.find(orgId, request.approvalId)) ?? shown;
    const allowed = mayDecide(approval, request, context);
    if (!allowed.ok) return allowed;
    const commit =
      approval.subject === "COMMIT" && request.approve ? await prepareRatified(heavy, tx, context, approval) : null;
    if (commit?.ok === false) return commit;
    const saved = await decideIt(tx, context, locked.value, request);
    if (!saved.ok) return saved;
    const activated =
      commit === null
        ? null
        : await activate(tx, context, {
            ...commit.value,
            candidate: { ...commit.value.candidate, plan: saved.value.changes.plan },
          });
    const after = await tx.approvals.find(orgId, request.approvalId);
    if (after === undefined) throw new Error("an approval is gone within its own transaction");
    return decided({ value: after, recordId: saved.value.recordId, ...(activated?.news ?? newsOf(saved.value)) });
  };
}

function mayDecide(approval: Approval, request: ApprovalDecideRequest, context: OperationContext): Decision<null> {
  const { approvalId, state, digest, subject, requestedBy } = approval;
  if (state !== "PENDING") {
    return refused(
      "STATE_CONFLICT",
      `The approval is ${state}${approval.decidedBy === null ? "" : ` by ${approval.decidedBy}`}.`,
      { metadata: { kind: "approval", id: approvalId, state } },
    );
  }
  if (digest !== request.digest) {
    return refused("CONTRADICTORY_EVIDENCE", "The digest is not that of what is to be approved.", {
      rule: "approval.digest",
      metadata: { expected: digest, actual: request.digest },
      remedy: "Read the approval, and decide on what it says now.",
    });
  }
  if (subject === "COMMIT" && requestedBy === context.principal.name) {
    return refused("APPROVAL_REQUIRED", "Whoever caused a ratification cannot decide it.", {
      rule: "approval.other_principal",
      metadata: { approval_id: approvalId },
    });
  }
  return decided(null);
}

/** Everything that could refuse the ratified commit, before anything is written. */
async function prepareRatified(
  heavy: HeavyWork,
  tx: Tx,
  context: OperationContext,
  approval: Approval,
): Promise<Decision<Prepared>> {
  const at = await goalAtHand(tx, context, goalOfPlan(approval.planId));
  if (!at.ok) return at;
  const { plan, goal, charter } = at.value;
  const wish = JSON.parse(approval.context) as RatificationContext;
  const expected = expectActive(plan, wish.expectedActiveVersion);
  if (!expected.ok) return expected;
  const version = await tx.graphs.findVersion(plan.orgId, plan.planId, approval.version);
  if (version === undefined) return notFound("graph version", String(approval.version));
  const digest = ratificationDigest(
    version,
    effectiveConstraints(charter.terms, version.constraints ?? goal.spec.constraints),
  );
  if (digest !== approval.digest) {
    return refused("CONTRADICTORY_EVIDENCE", "What is stored is not what was asked about.", {
      rule: "approval.digest",
      metadata: { expected: approval.digest, actual: digest },
    });
  }
  return prepareCommit(heavy, tx, context, await loadCandidate(tx, at.value, version), {
    operation: wish.operation,
    reason: wish.reason,
    acceptLate: wish.acceptLate,
  });
}

async function decideIt(
  tx: Tx,
  context: OperationContext,
  plan: PlanRow,
  request: ApprovalDecideRequest,
): Promise<Decision<PlanDecision>> {
  const { approvalId, approve, comment } = request;
  const decision = await decideOn(
    tx,
    plan,
    { kind: "decide-approval", approvalId, approve, comment },
    await decideContext(tx, context),
  );
  if (decision.ok) await tx.plans.save(decision.value.changes);
  return decision;
}
