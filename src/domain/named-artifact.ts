// What artifacts that an outcome names are to the run of its plan. Not here: artifacts that calls make known.
import { digestIn, isOwnUri } from "./artifact.ts";
import { runOfPlan } from "./id.ts";
import type { PlanRef, RunArtifactId } from "./id.ts";
import type { Attempt } from "./outcome.ts";
import type { Artifact } from "./payload.ts";
import { withoutCredentials } from "./run-artifact.ts";
import type { RunArtifact, RunArtifactKind } from "./run-artifact.ts";

const BY_CONTENT_TYPE: Readonly<Record<string, RunArtifactKind>> = {
  "application/vnd.cyclonedx+json": "SBOM",
  "application/vnd.cyclonedx+xml": "SBOM",
  "application/spdx+json": "SBOM",
  "text/spdx": "SBOM",
  "application/vnd.in-toto+json": "SLSA_PROVENANCE",
};
/** The first that fits, of the name in lower case without folders. */
const BY_NAME: readonly (readonly [RegExp, RunArtifactKind])[] = [
  [/^sbom|^bom\.(json|xml)$|\.(cdx\.(json|xml)|spdx(\.json)?)$/, "SBOM"],
  [/\.intoto\.jsonl?$|provenance/, "SLSA_PROVENANCE"],
  [/^risk[_-]assessment/, "RISK_ASSESSMENT"],
  [/^test[_-]report|^junit/, "TEST_REPORT"],
  [/^build[_-]log|\.log$/, "BUILD_LOG"],
];

/** By its content type, and otherwise by its name; the comment of ArtifactRef says the same to executors. */
export function kindOfNamed({ name, contentType }: Pick<Artifact, "name" | "contentType">): RunArtifactKind {
  const [type = ""] = contentType.toLowerCase().split(";", 1);
  const byType = BY_CONTENT_TYPE[type.trim()];
  if (byType !== undefined) return byType;
  const file = name.slice(name.lastIndexOf("/") + 1).toLowerCase();
  return BY_NAME.find(([pattern]) => pattern.test(file))?.[1] ?? "OTHER";
}

/** Such as a run's artifact has: `algorithm:text`. */
const HASH = /^[A-Za-z0-9][A-Za-z0-9._+-]*:.+$/;

/** What a successful attempt made is the run's; what undoing left over, and what a failure left, is not. */
export function runArtifactsOf(
  plan: PlanRef,
  step: string,
  { state, undoing, ordinal, fencing, endedMs: createdMs, artifacts }: Attempt,
  createdBy: string,
  newId: () => string,
): readonly RunArtifact[] {
  if (state !== "SUCCEEDED" || undoing) return [];
  const origin = { step, ordinal, fencing };
  return artifacts.map((artifact) => ({
    ...describe(artifact),
    orgId: plan.orgId,
    artifactId: newId() as RunArtifactId,
    runId: runOfPlan(plan.planId),
    createdMs,
    createdBy,
    origin,
  }));
}

/** It speaks for itself and for no other: an SBOM says that there is an SBOM. */
function describe(artifact: Artifact): Pick<RunArtifact, "kind" | "uri" | "contentHash" | "flags" | "additional"> {
  const { name, uri, digest, sizeBytes, contentType } = artifact;
  const kind = kindOfNamed(artifact);
  const isHash = HASH.test(digest);
  const additional = {
    name,
    ...(contentType === "" ? {} : { content_type: contentType }),
    ...(sizeBytes === 0 ? {} : { size_bytes: sizeBytes }),
    ...(digest === "" || isHash ? {} : { digest }),
  };
  return {
    kind,
    // An outcome is not refused for it: the work is done.
    uri: withoutCredentials(uri),
    contentHash: isHash ? digest : ((isOwnUri(uri) ? digestIn(uri) : undefined) ?? ""),
    flags: {
      sbomPresent: kind === "SBOM",
      slsaProvenancePresent: kind === "SLSA_PROVENANCE",
      riskAssessmentPresent: kind === "RISK_ASSESSMENT",
    },
    additional: JSON.stringify(additional),
  };
}
