// A goal: one thing to achieve under a charter. Not here: its plan, which shares its UUID, see plan.ts.
import { tighter } from "./amounts.ts";
import type { Budget } from "./amounts.ts";
import type { CharterTerms } from "./charter.ts";
import type { CharterId, OrgId, PlanId } from "./id.ts";
import type { Payload } from "./payload.ts";

export type GoalState = "DRAFT" | "REFINED" | "ACTIVE" | "ACHIEVED" | "FAILED" | "CANCELLED";

export const GOAL_TRANSITIONS: Readonly<Record<GoalState, readonly GoalState[]>> = {
  DRAFT: ["REFINED", "CANCELLED"],
  REFINED: ["ACTIVE", "CANCELLED"],
  ACTIVE: ["ACHIEVED", "FAILED", "CANCELLED", "REFINED"],
  ACHIEVED: ["ACTIVE"],
  FAILED: ["ACTIVE"],
  CANCELLED: [],
};

export type AttributeValue =
  | { readonly kind: "text"; readonly value: string }
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "flag"; readonly value: boolean }
  /** Epoch milliseconds. */
  | { readonly kind: "time"; readonly value: number };

export interface Constraints {
  readonly budget: Budget;
  readonly deadlineMs: number | null;
  readonly minTrust: number;
}

export interface GoalSpec {
  readonly name: string;
  readonly intent: string;
  readonly inputs: Payload | null;
  readonly constraints: Constraints;
  readonly labels: Readonly<Record<string, string>>;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}

export interface Goal {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly charterId: CharterId;
  readonly charterRevision: number;
  readonly spec: GoalSpec;
  readonly state: GoalState;
  readonly createdMs: number;
  readonly createdBy: string;
  readonly finishedMs: number | null;
}

/** A goal with where its plan stands, as lists show it. */
export interface GoalView extends Goal {
  readonly activeVersion: number;
  readonly stepsTotal: number;
  readonly stepsEnded: number;
  readonly stepsSucceeded: number;
  readonly stepsFailed: number;
}

/** The limits that hold for a goal: the tighter of the charter's and its own. Trust floors take the higher. */
export function effectiveConstraints(terms: CharterTerms, own: Constraints): Constraints {
  const limits = tighter(terms.budget, own.budget);
  const currency = terms.budget.currency === "" ? own.budget.currency : terms.budget.currency;
  const deadlineMs =
    terms.deadlineMs === null
      ? own.deadlineMs
      : own.deadlineMs === null
        ? terms.deadlineMs
        : Math.min(terms.deadlineMs, own.deadlineMs);
  return { budget: { ...limits, currency }, deadlineMs, minTrust: Math.max(terms.minTrust, own.minTrust) };
}
