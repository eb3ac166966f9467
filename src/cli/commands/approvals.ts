// `maestro approvals`: lists questions to approvers. Not here: answering them, see decide.ts.
import { ApprovalSchema, ApprovalStateSchema } from "../../../gen/maestro/v1/approval_pb.ts";
import type { Context } from "../context.ts";
import { showList } from "../listing.ts";
import type { ListFlags } from "../listing.ts";
import { planIdOf } from "../target.ts";
import { timeText, word } from "../words.ts";

export interface ApprovalsFlags extends ListFlags {
  /** Those that were answered as well. */
  readonly answered?: boolean;
}

export async function approvals(named: string | undefined, flags: ApprovalsFlags, context: Context): Promise<void> {
  const { io, withClient } = context;
  const pendingOnly = flags.answered !== true;
  await withClient(async (client) => {
    const planId = named === undefined ? "" : await planIdOf(client, named, io.signal);
    await showList(
      {
        schema: ApprovalSchema,
        page: async (pageSize, pageToken) => {
          const asked = { planId, pendingOnly, pageSize, pageToken };
          const page = await client.approvals.listApprovals(asked, { signal: io.signal });
          return { items: page.approvals, nextPageToken: page.nextPageToken };
        },
        head: ["APPROVAL", "PLAN", "STATE", "ASKED", "BY", "QUESTION"],
        row: (approval) => [
          approval.approvalId,
          approval.planId,
          word(ApprovalStateSchema, approval.state),
          timeText(approval.requestedAt),
          approval.requestedBy,
          approval.question,
        ],
        none: pendingOnly ? "no question waits for an answer" : "no questions",
      },
      flags,
      context,
    );
  });
}
