// Whether a version fits into its limits: the budget of what is authorised, of single steps, and the deadline.
// Not here: the rest of a commit, see commit-version.ts.
import { DIMENSIONS, plus } from "../domain/amounts.ts";
import { DIMENSION_WORDS, belowUsed, overBudget } from "../domain/budget.ts";
import type { GraphVersion } from "../domain/graph.ts";
import type { Constraints } from "../domain/goal.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { Transition } from "./transition.ts";

/** New limits must cover what is authorised already. */
export function allotmentFits({ account }: PlanRow, { budget }: Constraints): Decision<null> {
  const used = plus(plus(account.held, account.spent), account.presumed);
  for (const dimension of DIMENSIONS) {
    const limit = budget[dimension];
    if (limit !== null && used[dimension] > limit) return belowUsed(dimension, used[dimension], limit);
  }
  return decided(null);
}

/** A step whose hold alone exceeds the budget could never be leased. */
export function holdsFit({ succession }: Transition, { budget }: Constraints): Decision<null> {
  for (const dimension of DIMENSIONS) {
    const limit = budget[dimension];
    if (limit === null) continue;
    for (const { row } of succession.added) {
      if (row.hold[dimension] > limit) {
        return overBudget(
          dimension,
          row.hold[dimension],
          limit,
          `Step ${row.key} alone may use ${String(row.hold[dimension])} ${DIMENSION_WORDS[dimension]}; the budget is ${String(limit)}.`,
          { step: row.key },
        );
      }
    }
  }
  return decided(null);
}

export function meetsDeadline({ analysis }: GraphVersion, { deadlineMs }: Constraints): Decision<null> {
  if (analysis === null || deadlineMs === null || analysis.makespanMs <= deadlineMs) return decided(null);
  const steps = analysis.counterExampleSteps.length > 0 ? analysis.counterExampleSteps : analysis.criticalPath;
  const explanation =
    analysis.counterExample === ""
      ? `The steps that follow each other need ${String(analysis.makespanMs)} ms; the deadline is ${String(deadlineMs)} ms.`
      : analysis.counterExample;
  return refused("DEADLINE_INFEASIBLE", explanation, {
    rule: "plan.deadline",
    metadata: {
      needed_ms: String(analysis.makespanMs),
      allowed_ms: String(deadlineMs),
      steps: steps.slice(0, 100).join(", "),
    },
    remedy: "Allow more time, shorten the critical path, or commit with accept_late.",
  });
}
