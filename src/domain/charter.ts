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
  readonly release: ReleasePolicy;
}

/** How the release gate judges runs under a charter. */
export interface ReleasePolicy {
  readonly mode: GateMode;
  readonly builders: readonly TrustedBuilder[];
  readonly minApprovals: number;
  /** Content that cannot be fetched fails the gate; otherwise only evidence must be readable. */
  readonly requireContent: boolean;
}
/** FLAGS believes the flags of artifacts, VERIFIED reads the evidence. */
export type GateMode = "FLAGS" | "VERIFIED";
/** A builder, and the keys (PEM) that it signs provenance with. */
export interface TrustedBuilder {
  readonly id: string;
  readonly publicKeys: readonly string[];
}
export const NO_RELEASE_POLICY: ReleasePolicy = { mode: "FLAGS", builders: [], minApprovals: 0, requireContent: false };

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
