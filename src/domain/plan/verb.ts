// What the verbs on a running plan have in common: how they refuse, and when none can be carried out. Not here: the verbs.
import { refused } from "../refusal.ts";
import type { Refusal } from "../refusal.ts";
import type { PlanDraft } from "./draft.ts";
import { CASCADE_LIMIT } from "./ready.ts";
import { MissingRows } from "./slice.ts";

/** A verb's refusal, or undefined when it was carried out. */
export type Verdict = Refusal | undefined;

export function conflict(kind: string, id: string, state: string, explanation: string, remedy = ""): Refusal {
  return refused("STATE_CONFLICT", explanation, { metadata: { kind, id, state }, remedy }).refusal;
}

/** While a cascade is under way, rows do not yet show who waits for whom. */
export function stillCascading(draft: PlanDraft): Verdict {
  const { plan } = draft;
  // Where few steps are, none is ever left over.
  if (plan.nextOrdinal <= CASCADE_LIMIT) return undefined;
  if (draft.slice.cascade === undefined) throw new MissingRows({ cascade: true });
  if ((draft.slice.cascade?.frontier.length ?? 0) === 0) return undefined;
  return refused("STATE_CONFLICT", "Many steps of this plan are just being moved; try again in a moment.", {
    metadata: { kind: "plan", id: plan.planId, state: plan.state },
    lifter: "TIME",
    retryable: true,
  }).refusal;
}
