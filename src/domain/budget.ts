// The refusal of what a budget does not allow. Not here: holds and what was spent, see plan.ts.
import type { Dimension } from "./amounts.ts";
import { refused } from "./refusal.ts";
import type { Decision } from "./refusal.ts";

/** Dimensions in the words of the wire. */
export const DIMENSION_WORDS: Readonly<Record<Dimension, string>> = {
  tokens: "tokens",
  moneyMicros: "money_micros",
  wallMs: "wall_ms",
  energyMillijoules: "energy_millijoules",
};

export function overBudget(
  dimension: Dimension,
  needed: number,
  available: number,
  explanation: string,
  more: Readonly<Record<string, string>> = {},
): Extract<Decision<never>, { readonly ok: false }> {
  const word = DIMENSION_WORDS[dimension];
  return refused("BUDGET_EXHAUSTED", explanation, {
    rule: `plan.budget.${word}`,
    metadata: { dimension: word, needed: String(needed), available: String(available), ...more },
    remedy: "Raise the budget, or ask for less.",
  });
}

/** New limits that do not cover what is authorised already. */
export function belowUsed(
  dimension: Dimension,
  used: number,
  limit: number,
): Extract<Decision<never>, { readonly ok: false }> {
  return overBudget(
    dimension,
    used,
    limit,
    `${String(used)} ${DIMENSION_WORDS[dimension]} are held or spent already; the budget would be ${String(limit)}.`,
  );
}
