// Rules about how a plan was governed. Not here: rules about its evidence.
import { DIMENSIONS } from "../amounts.ts";
import type { GateFacts, Governance, Verdict } from "./gate.ts";
import { failed, notApplicable, passed } from "./verdicts.ts";

export function governanceVerdicts({ governance, policy }: GateFacts): readonly Verdict[] {
  if (governance === null)
    return [
      // Approvals that are asked for and cannot be shown are missing.
      policy.minApprovals > 0
        ? failed("governance.approvals", `${asked(policy.minApprovals)}, and a run without a plan has none`)
        : notApplicable("governance.approvals", "the run has no plan"),
      notApplicable("governance.refusals", "the run has no plan"),
      notApplicable("governance.budget", "the run has no plan"),
    ];
  return [approvals(governance, policy.minApprovals), refusals(governance), budget(governance)];
}

function approvals({ approvals: every, makers }: Governance, least: number): Verdict {
  const rule = "governance.approvals";
  // An answer to a failure lets work go on, or ends it: it says nothing of what is released.
  const all = every.filter(({ subject: of }) => of !== "FAILURE");
  const rejected = all.find(({ state }) => state === "REJECTED");
  if (rejected !== undefined)
    return failed(rule, `${subject(rejected)} was rejected by ${rejected.decidedBy ?? "somebody"}`);
  const pending = all.find(({ state }) => state === "PENDING");
  if (pending !== undefined) return failed(rule, `${subject(pending)} still waits for its approval`);
  const approvers = new Set(
    all.flatMap(({ state, decidedBy }) =>
      state === "APPROVED" && decidedBy !== null && !makers.includes(decidedBy) ? [decidedBy] : [],
    ),
  );
  const names = [...approvers].toSorted();
  const about = { evidence: { approvers: names.join(",") } };
  if (names.length < least)
    // Each question is asked once: answers of makers use them up, and then nobody is left to ask.
    return failed(
      rule,
      `${asked(least)}, and ${String(names.length)} other(s) than its makers approved; a waiver of this rule helps, or ` +
        "a re-plan that adds a step before the gate which somebody else approves",
      about,
    );
  return passed(rule, `${String(names.length)} approver(s), ${String(least)} needed`, about);
}

function asked(least: number): string {
  return `${String(least)} approver(s) are needed`;
}

function subject({ subject: of, step }: Governance["approvals"][number]): string {
  return of === "COMMIT" ? "the plan" : `step '${step}'`;
}

function refusals({ refusedSteps, approvals: all }: Governance): Verdict {
  const rule = "governance.refusals";
  const [first] = refusedSteps;
  if (first !== undefined)
    return failed(rule, `step '${first}' was refused by its executor, and nobody resolved that`, {
      evidence: { steps: refusedSteps.slice(0, 100).join(",") },
    });
  const question = all.find(({ state, subject: of }) => state === "PENDING" && of === "FAILURE");
  if (question !== undefined) return failed(rule, `a question about step '${question.step}' is still open`);
  return passed(rule, "no step stands refused, and no question is open");
}

function budget({ overrun }: Governance): Verdict {
  const rule = "governance.budget";
  const over = DIMENSIONS.filter((dimension) => overrun[dimension] > 0);
  if (over.length === 0) return passed(rule, "nothing was used beyond its hold");
  return failed(rule, `more was used than was held: ${over.map((d) => `${d} by ${String(overrun[d])}`).join(", ")}`, {
    evidence: Object.fromEntries(over.map((dimension) => [dimension, String(overrun[dimension])])),
  });
}
