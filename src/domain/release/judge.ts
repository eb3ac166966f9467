// The judgement: verdicts, what waivers lift of them, and the message. Previews, manifests and gate steps all come through here.
// Not here: the rules of the modes.
import { isCompliant } from "../run-artifact.ts";
import { flagVerdicts } from "./flags.ts";
import { COMPLIANT_IDS } from "./gate.ts";
import type { GateDetails, GateFacts, JudgedArtifact, Judgement, Verdict } from "./gate.ts";
import { verifiedVerdicts } from "./verified.ts";
import { withWaivers } from "./verdicts.ts";

/** Pure: the same facts give the same judgement. 10,000 artifacts by their flags take some 1 ms. */
export function judge(facts: GateFacts): Judgement {
  const { mode } = facts.policy;
  const verdicts = withWaivers(mode === "FLAGS" ? flagVerdicts(facts) : verifiedVerdicts(facts), facts.waivers);
  const bad = verdicts.filter(({ state }) => state === "FAILED");
  const details = detailsOf(facts, bad);
  return {
    runId: facts.run.runId,
    passed: bad.length === 0,
    message: bad.length === 0 ? passedMessage(details, mode, verdicts) : failedMessage(bad),
    details,
    mode,
    verdicts,
  };
}

function detailsOf({ run, scope, artifacts }: GateFacts, bad: readonly Verdict[]): GateDetails {
  const compliant: readonly JudgedArtifact[] = artifacts.filter(({ flags }) => isCompliant(flags));
  const isStatus = scope.kind === "RUN" && bad.some(({ rule }) => rule === "run.succeeded");
  return {
    totalArtifacts: artifacts.length,
    compliantArtifacts: compliant.length,
    compliantArtifactIds: compliant.slice(0, COMPLIANT_IDS).map(({ artifactId }) => artifactId),
    currentStatus: isStatus ? run.status : null,
    requiredStatus: isStatus ? "SUCCEEDED" : null,
    failedRules: [...new Set(bad.map(({ rule }) => rule))],
  };
}

function passedMessage(
  { compliantArtifacts }: GateDetails,
  mode: Judgement["mode"],
  verdicts: readonly Verdict[],
): string {
  const waived = rulesThatAre(verdicts, "WAIVED");
  const but = waived.size === 0 ? "" : `, ${String(waived.size)} rule(s) waived`;
  if (mode === "FLAGS") return `Release gate passed: ${String(compliantArtifacts)} compliant artifact(s) found${but}`;
  // A rule that holds of one artifact and is waived of another does not hold.
  const verified = [...rulesThatAre(verdicts, "PASSED")].filter((rule) => !waived.has(rule));
  return `Release gate passed: ${String(verified.length)} rule(s) verified${but}`;
}

function rulesThatAre(verdicts: readonly Verdict[], state: Verdict["state"]): Set<string> {
  return new Set(verdicts.flatMap((one) => (one.state === state ? [one.rule] : [])));
}

/** The first that failed, in the order of the rules: the rest stands in the verdicts. */
function failedMessage(bad: readonly Verdict[]): string {
  const rules = new Set(bad.map(({ rule }) => rule)).size - 1;
  const more = rules > 0 ? ` (and ${String(rules)} more rule(s) failed)` : "";
  return `Release gate failed: ${bad[0]?.explanation ?? ""}${more}`;
}
