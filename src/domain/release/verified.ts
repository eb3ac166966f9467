// The verified mode: flags prove nothing, evidence does. A rule whose evidence cannot be had fails. Not here: how evidence is
// fetched and read, see neighbours/evidence.
import type { RunArtifactKind } from "../run-artifact.ts";
import { declaredDigest, hashHolds } from "./evidence.ts";
import type { Digests, Finding } from "./evidence.ts";
import { present, succeeded } from "./flags.ts";
import type { GateFacts, JudgedArtifact, Released, Verdict } from "./gate.ts";
import { governanceVerdicts } from "./governance.ts";
import { provenanceVerdicts } from "./provenance.ts";
import { sbomVerdicts } from "./sbom.ts";
import { failed, notApplicable, passed } from "./verdicts.ts";

const EVIDENCE_KINDS: ReadonlySet<RunArtifactKind> = new Set(["SBOM", "SLSA_PROVENANCE", "RISK_ASSESSMENT"]);

/** Whether an artifact speaks for others, and must therefore be readable. */
export function isEvidence({ kind }: Pick<JudgedArtifact, "kind">): boolean {
  return EVIDENCE_KINDS.has(kind);
}

export function verifiedVerdicts(facts: GateFacts): readonly Verdict[] {
  const { artifacts, findings, policy } = facts;
  const released = releasedOf(facts);
  const of = (kind: RunArtifactKind): readonly JudgedArtifact[] => artifacts.filter((one) => one.kind === kind);
  return [
    succeeded(facts),
    present(facts),
    ...artifacts.map((one) => contentHash(one, findings.get(one.artifactId), policy.requireContent)),
    ...sbomVerdicts(of("SBOM"), findings, released),
    ...provenanceVerdicts(of("SLSA_PROVENANCE"), findings, released, policy.builders.length),
    ...riskVerdicts(of("RISK_ASSESSMENT"), findings),
    ...governanceVerdicts(facts),
  ];
}

/** What is to be released: artifacts that are neither evidence nor papers, by their digests. */
function releasedOf({ artifacts, findings }: GateFacts): readonly Released[] {
  return artifacts.flatMap((artifact) => {
    if (artifact.kind !== "OTHER") return [];
    const declared = declaredDigest(artifact.contentHash);
    if (!declared.ok) return [];
    const finding = findings.get(artifact.artifactId);
    // Others may name another algorithm: what was computed helps, of content that is what it is said to be.
    const computed: Digests =
      finding?.content.state === "READ" && hashHolds(artifact.contentHash, finding) ? finding.content.digests : {};
    return [{ artifact, digests: { ...computed, [declared.algorithm]: declared.hex } }];
  });
}

function contentHash(artifact: JudgedArtifact, finding: Finding | undefined, requireContent: boolean): Verdict {
  const rule = "content.hash";
  const { artifactId, uri } = artifact;
  const declared = declaredDigest(artifact.contentHash);
  if (!declared.ok) return failed(rule, declared.problem, { artifactId, evidence: { uri } });
  const expected = `${declared.algorithm}:${declared.hex}`;
  const content = finding?.content;
  if (content?.state !== "READ") {
    const why = content?.explanation ?? "it was not read";
    const about = { artifactId, evidence: { uri, expected, problem: (content?.problem ?? "NOT_READ").toLowerCase() } };
    if (isEvidence(artifact)) return failed(rule, `this evidence cannot be read: ${why}`, about);
    if (requireContent) return failed(rule, `its content cannot be read, which the policy asks for: ${why}`, about);
    return notApplicable(rule, `its content cannot be read: ${why}`, about);
  }
  const actual = `${declared.algorithm}:${content.digests[declared.algorithm] ?? ""}`;
  const about = { artifactId, evidence: { uri, expected, actual, size_bytes: String(content.sizeBytes) } };
  return actual === expected
    ? passed(rule, "its content has the digest that it names", about)
    : failed(rule, `its content has the digest ${actual}, not ${expected}`, about);
}

function riskVerdicts(
  artifacts: readonly JudgedArtifact[],
  findings: ReadonlyMap<JudgedArtifact["artifactId"], Finding>,
): readonly Verdict[] {
  const rule = "risk.present";
  if (artifacts.length === 0) return [failed(rule, "there is no artifact of kind risk_assessment")];
  return artifacts.map(({ artifactId, contentHash: declared }) => {
    const finding = findings.get(artifactId);
    if (finding?.content.state !== "READ")
      return failed(rule, `it cannot be read: ${finding?.content.explanation ?? "it was not read"}`, { artifactId });
    if (finding.blank) return failed(rule, "there is nothing in it that anybody could read", { artifactId });
    if (!hashHolds(declared, finding))
      return failed(rule, "it is not the content that its digest names", { artifactId });
    return passed(rule, `it has ${String(finding.content.sizeBytes)} bytes, and its digest holds`, { artifactId });
  });
}
