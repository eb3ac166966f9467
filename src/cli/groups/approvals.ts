// The group of questions that plans wait with, and their answers: `approvals`, `approve`, `reject`.
import type { ApprovalsFlags } from "../commands/approvals.ts";
import { addLimit } from "../listing.ts";
import type { Group } from "../registrar.ts";

const VERBS = [
  ["approve", true, "say yes to a question that a plan waits with"],
  ["reject", false, "say no to a question that a plan waits with"],
] as const;

export const approvals: Group = {
  heading: "QUESTIONS TO APPROVERS",
  register: ({ add, context }) => {
    addLimit(
      add({
        usage: "approvals [plan]",
        summary: "list questions that wait for an answer, of all plans or of one",
        examples: [
          { line: "approvals", what: "what waits for somebody" },
          { line: "approvals pack --answered", what: "who answered what of a plan, too" },
        ],
      }),
    )
      .option("--answered", "those that were answered as well")
      .action(async (plan: string | undefined, flags: ApprovalsFlags) => {
        const { approvals: list } = await import("../commands/approvals.ts");
        await list(plan, flags, context());
      });
    for (const [verb, approve, summary] of VERBS) {
      add({
        usage: `${verb} <approval>`,
        summary,
        details: "Answers exactly what the server shows now: a question that changed meanwhile is not answered.",
        examples: [
          {
            line: `${verb} appr_01j8zq5x0nf3v9w6m2t4y7k1hb --comment "seen by two"`,
            what: "with what is kept with the answer",
          },
        ],
      })
        .option("--comment <text>", "what is kept with the answer", "")
        .action(async (approval: string, { comment }: { comment: string }) => {
          const { decide } = await import("../commands/decide.ts");
          await decide(approval, approve, comment, context());
        });
    }
  },
};
