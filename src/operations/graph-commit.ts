// Makes a refined version the active plan, or asks for ratification when the charter wants it.
import type { Operation } from "../engine/operation.ts";
import { planOfGoal } from "../domain/id.ts";
import type { ApprovalId, GoalId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided, notFound, refused } from "../domain/refusal.ts";
import { commit, expectActive, loadCandidate, prepareCommit } from "./commit-version.ts";
import type { HeavyWork } from "./heavy-work.ts";
import { goalAtHand } from "./goal-at-hand.ts";

export interface GraphCommitRequest {
  readonly goalId: GoalId;
  readonly version: number;
  /** Zero for none. */
  readonly expectedActiveVersion: number;
  readonly acceptLate: boolean;
}
export interface GraphCommitResponse {
  readonly plan: PlanRow;
  /** The approval that it waits for. */
  readonly approvalId: ApprovalId | null;
}

export function graphCommit(heavy: HeavyWork): Operation<GraphCommitRequest, GraphCommitResponse> {
  return async (tx, request, context) => {
    const { orgId } = context.principal;
    const number = String(request.version);
    // The plan's lock goes first.
    const [at, version] = await Promise.all([
      goalAtHand(tx, context, request.goalId),
      tx.graphs.findVersion(orgId, planOfGoal(request.goalId), request.version),
    ]);
    if (!at.ok) return at;
    const { plan } = at.value;
    if (version === undefined) return notFound("graph version", number);
    const expected = expectActive(plan, request.expectedActiveVersion);
    if (!expected.ok) return expected;
    if (version.state !== "REFINED") {
      return refused(
        "STATE_CONFLICT",
        `Version ${number} is ${version.state}: only a REFINED version can be committed.`,
        { metadata: { kind: "graph version", id: number, state: version.state } },
      );
    }
    const prepared = await prepareCommit(heavy, tx, context, await loadCandidate(tx, at.value, version), {
      operation: "graph.commit",
      reason: "",
      acceptLate: request.acceptLate,
    });
    if (!prepared.ok) return prepared;
    const committed = await commit(tx, context, prepared.value);
    return decided({
      value: { plan: committed.plan, approvalId: committed.approvalId },
      recordId: committed.recordId,
      ...committed.news,
    });
  };
}
