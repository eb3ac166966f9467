// The mode of flags: what artifacts say of themselves is believed. Words as clients of its REST know them. Not here: evidence.
import { isCompliant } from "../run-artifact.ts";
import type { RunArtifactFlags } from "../run-artifact.ts";
import { GATE_ARTIFACTS } from "./gate.ts";
import type { GateFacts, JudgedArtifact, Verdict } from "./gate.ts";
import { failed, notApplicable, passed } from "./verdicts.ts";

/** The run, or what a gate step depends on, came to a good end. */
export function succeeded({ run, scope }: Pick<GateFacts, "run" | "scope">): Verdict {
  const rule = "run.succeeded";
  if (scope.kind === "RUN") {
    const status = run.status.toLowerCase();
    if (run.status === "SUCCEEDED") return passed(rule, "the run succeeded");
    return failed(rule, `run status is '${status}', must be 'succeeded'`, { evidence: { status } });
  }
  // What was skipped on purpose is no failure; what was skipped after one stands behind the one that failed.
  const open = scope.before.find(({ state }) => state !== "SUCCEEDED" && state !== "SKIPPED");
  if (open === undefined) return passed(rule, `the ${String(scope.before.length)} step(s) before it succeeded`);
  const state = open.state.toLowerCase();
  return failed(rule, `step '${open.key}' is '${state}', must be 'succeeded'`, {
    evidence: { step: open.key, state },
  });
}

export function present({ artifacts }: Pick<GateFacts, "artifacts">): Verdict {
  const rule = "artifacts.present";
  if (artifacts.length === 0) return failed(rule, "no artifacts found");
  if (artifacts.length > GATE_ARTIFACTS)
    return failed(rule, `more artifacts than are judged, which is ${String(GATE_ARTIFACTS)}`);
  return passed(rule, `${String(artifacts.length)} artifact(s) found`);
}

/** Its three rules. */
export function flagVerdicts(facts: GateFacts): readonly Verdict[] {
  return [succeeded(facts), present(facts), compliant(facts.artifacts)];
}

function compliant(artifacts: readonly JudgedArtifact[]): Verdict {
  const rule = "artifacts.compliant";
  if (artifacts.length === 0) return notApplicable(rule, "there is no artifact to look at");
  const count = artifacts.reduce((sum, { flags }) => sum + (isCompliant(flags) ? 1 : 0), 0);
  if (count > 0) return passed(rule, `${String(count)} compliant artifact(s) found`);
  const missing = missingFlags(artifacts);
  const what = missing.length === 0 ? "all three are there, but not of one artifact" : `missing: ${missing.join(", ")}`;
  return failed(rule, `no artifact has SBOM, SLSA provenance and risk assessment (${what})`, {
    evidence: { missing: missing.join(",") },
  });
}

const FLAGS: readonly (readonly [keyof RunArtifactFlags, string])[] = [
  ["sbomPresent", "sbom_present"],
  ["slsaProvenancePresent", "slsa_provenance_present"],
  ["riskAssessmentPresent", "risk_assessment_present"],
];

/** Flags that no artifact has. */
function missingFlags(artifacts: readonly JudgedArtifact[]): readonly string[] {
  return FLAGS.flatMap(([flag, name]) => (artifacts.some(({ flags }) => flags[flag]) ? [] : [name]));
}
