// A charter: the standing mandate of goals. Not here: how its terms reach a plan, see goal.ts.
import type { Budget } from "./amounts.ts";
import type { CharterId, OrgId } from "./id.ts";

export interface CharterTerms {
  readonly purpose: string;
  readonly budget: Budget;
  /** Longest that a goal may take from its commit; null for no bound. */
  readonly deadlineMs: number | null;
  readonly minTrust: number;
  /** Every commit and re-plan waits for ratification by somebody other than its caller. */
  readonly ratifyCommits: boolean;
  readonly staleRule: "RERUN" | "KEEP";
}

export interface Charter {
  readonly orgId: OrgId;
  readonly charterId: CharterId;
  readonly name: string;
  readonly revision: number;
  readonly terms: CharterTerms;
  readonly digest: string;
  readonly declaredMs: number;
  readonly declaredBy: string;
}
