// The group of answers to questions that plans wait with: `approve`, `reject`.
import type { Group } from "../registrar.ts";

const VERBS = [
  ["approve", true, "say yes to a question that a plan waits with"],
  ["reject", false, "say no to a question that a plan waits with"],
] as const;

export const approvals: Group = {
  heading: "QUESTIONS TO APPROVERS",
  register: ({ add, context }) => {
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
