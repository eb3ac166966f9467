// Which redactions a pack may have: each withholds something that plans record. One that is misspelt would withhold nothing, and nobody
// would know. Not here: withholding itself, see pack-record.ts.
import { decided, invalid } from "../refusal.ts";
import type { Decision, Violation } from "../refusal.ts";
import { withholding } from "./pack-record.ts";

/** Every kind of record that a plan's sequence can have; packs have no others. A test holds it against what is written. */
export const PLAN_RECORD_KINDS: readonly string[] = [
  "approval.decide",
  "goal.refine",
  "graph.add_steps",
  "graph.commit",
  "graph.replan",
  "lease.ended",
  "lease.lost",
  "lease.timed_out",
  "outcome.contradicted",
  "outcome.late",
  "outcome.report",
  "plan.cancel",
  "plan.cancelled",
  "plan.cascade",
  "plan.completed",
  "plan.failed",
  "plan.overdue",
  "plan.resume",
  "plan.suspend",
  "step.failed",
  "step.hold",
  "step.release",
  "step.rerun",
  "step.resolve",
  "step.retry",
  "step.skip",
];

export function judgeRedactions(patterns: readonly string[]): Decision<null> {
  const wrong = patterns.flatMap((pattern, i): readonly Violation[] => {
    const field = `redactions[${String(i)}]`;
    if (patterns.indexOf(pattern) < i)
      return [{ field, description: "is there already", rule: "pack.redaction_twice" }];
    if (PLAN_RECORD_KINDS.some(withholding([pattern]))) return [];
    const description = `withholds nothing: records of plans are of the kinds ${PLAN_RECORD_KINDS.join(", ")}; * stands for anything`;
    return [{ field, description, rule: "pack.redaction_unknown" }];
  });
  return wrong.length === 0 ? decided(null) : invalid(...wrong);
}
