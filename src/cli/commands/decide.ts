// `maestro approve` and `reject`: answers a question that a plan waits with. Not here: how plans tell them, see ../questions.ts.
import { ApprovalSchema, ApprovalState } from "../../../gen/maestro/v1/approval_pb.ts";
import { jsonLine } from "../context.ts";
import type { Context } from "../context.ts";
import { harmless } from "../table.ts";

/** Decides exactly what the server shows now: the digest goes with the answer. */
export async function decide(
  approvalId: string,
  approve: boolean,
  comment: string,
  { io, json, quiet, withClient }: Context,
): Promise<void> {
  await withClient(async (client) => {
    const { approval: asked } = await client.approvals.getApproval({ approvalId }, { signal: io.signal });
    if (asked === undefined) throw new Error("the server shows no approval");
    const { approval } = await client.approvals.decideApproval(
      { approvalId, approve, digest: asked.digest, comment, idempotencyKey: client.newKey() },
      { signal: io.signal },
    );
    if (approval === undefined) throw new Error("the server does not say what became of it");
    if (json) io.out(jsonLine(ApprovalSchema, approval));
    else if (!quiet) {
      const did = approval.state === ApprovalState.APPROVED ? "approved" : "rejected";
      io.out(`${harmless(`${did} ${approvalId} of ${approval.planId}: ${approval.question}`)}\n`);
    }
  });
}
