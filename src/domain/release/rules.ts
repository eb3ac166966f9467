// The gate's rules by their stable ids, in the order in which they are told. Not here: what they ask, see flags.ts and verified.ts.

/** Ids are part of the contract: waivers and policies elsewhere name them. What each asks stands in README.md. */
export const RULES = [
  "run.succeeded",
  "artifacts.present",
  "artifacts.compliant",
  "content.hash",
  "sbom.present",
  "sbom.valid",
  "sbom.subject",
  "provenance.present",
  "provenance.signature",
  "provenance.builder",
  "provenance.subject",
  "risk.present",
  "governance.approvals",
  "governance.refusals",
  "governance.budget",
] as const;
export type RuleId = (typeof RULES)[number];

/** What has not been done cannot be released, whoever says so. */
const NEVER_WAIVED: ReadonlySet<string> = new Set<RuleId>(["run.succeeded"]);

export function isRule(text: string): text is RuleId {
  return (RULES as readonly string[]).includes(text);
}

export function canBeWaived(rule: RuleId): boolean {
  return !NEVER_WAIVED.has(rule);
}
