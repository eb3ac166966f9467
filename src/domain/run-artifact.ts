// Artifacts of runs: what a run made, and what speaks for it. Not here: content that is kept here, see artifact.ts.
import type { OrgId, RunArtifactId, RunId } from "./id.ts";

export type RunArtifactKind =
  "SBOM" | "SLSA_PROVENANCE" | "RISK_ASSESSMENT" | "SPECIFICATION" | "BUILD_LOG" | "TEST_REPORT" | "OTHER";

/** Claims, which the gate believes in the mode of flags. */
export interface RunArtifactFlags {
  readonly sbomPresent: boolean;
  readonly slsaProvenancePresent: boolean;
  readonly riskAssessmentPresent: boolean;
}

/** Never changes. */
export interface RunArtifact {
  readonly orgId: OrgId;
  readonly artifactId: RunArtifactId;
  readonly runId: RunId;
  readonly kind: RunArtifactKind;
  readonly uri: string;
  /** `algorithm:text`; empty for none. */
  readonly contentHash: string;
  readonly flags: RunArtifactFlags;
  /** JSON text of an object. */
  readonly additional: string;
  readonly createdMs: number;
  readonly createdBy: string;
  /** The attempt whose outcome named it; null for one that was made known by a call. */
  readonly origin: { readonly step: string; readonly ordinal: number; readonly fencing: number } | null;
}

export function isCompliant({ sbomPresent, slsaProvenancePresent, riskAssessmentPresent }: RunArtifactFlags): boolean {
  return sbomPresent && slsaProvenancePresent && riskAssessmentPresent;
}
