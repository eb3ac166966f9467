// Rows of runs' artifacts between the table and the domain. Not here: statements.
import type { OrgId, RunArtifactId, RunId } from "../../domain/id.ts";
import type { JudgedArtifact } from "../../domain/release/gate.ts";
import type { RunArtifact, RunArtifactKind } from "../../domain/run-artifact.ts";
import type { BulkColumn } from "./columns.ts";

/** Besides its org and its run. */
export const RUN_ARTIFACT_REST: readonly BulkColumn<RunArtifact>[] = [
  { name: "artifact_id", type: "uuid", value: (it) => it.artifactId },
  { name: "kind", type: "text", value: (it) => it.kind },
  { name: "uri", type: "text", value: (it) => it.uri },
  { name: "content_hash", type: "text", value: (it) => it.contentHash },
  { name: "sbom_present", type: "boolean", value: (it) => it.flags.sbomPresent },
  { name: "slsa_provenance_present", type: "boolean", value: (it) => it.flags.slsaProvenancePresent },
  { name: "risk_assessment_present", type: "boolean", value: (it) => it.flags.riskAssessmentPresent },
  { name: "additional", type: "text", value: (it) => it.additional },
  { name: "created_ms", type: "bigint", value: (it) => it.createdMs },
  { name: "created_by", type: "text", value: (it) => it.createdBy },
  { name: "step", type: "text", value: (it) => it.origin?.step },
  { name: "ordinal", type: "int", value: (it) => it.origin?.ordinal },
  { name: "fencing", type: "bigint", value: (it) => it.origin?.fencing },
];

export const RUN_ARTIFACT_COLUMNS: readonly BulkColumn<RunArtifact>[] = [
  { name: "org_id", type: "uuid", value: (it) => it.orgId },
  { name: "run_id", type: "uuid", value: (it) => it.runId },
  ...RUN_ARTIFACT_REST,
];

/** Columns to select, of alias `a`. */
export const RUN_ARTIFACT_SELECT = RUN_ARTIFACT_COLUMNS.map(({ name }) => `a.${name}`).join(", ");

/** The same as a gate looks at them. */
export const JUDGED_ARTIFACT_SELECT = RUN_ARTIFACT_COLUMNS.filter(({ name }) => name !== "additional")
  .map(({ name }) => `a.${name}`)
  .join(", ");

export interface RawRunArtifact {
  readonly org_id: string;
  readonly artifact_id: string;
  readonly run_id: string;
  readonly kind: string;
  readonly uri: string;
  readonly content_hash: string;
  readonly sbom_present: boolean;
  readonly slsa_provenance_present: boolean;
  readonly risk_assessment_present: boolean;
  readonly additional: string;
  readonly created_ms: number;
  readonly created_by: string;
  readonly step: string | null;
  readonly ordinal: number | null;
  readonly fencing: number | null;
}

export function runArtifactOf(raw: RawRunArtifact): RunArtifact {
  return { ...judgedArtifactOf(raw), additional: raw.additional };
}

export function judgedArtifactOf(raw: Omit<RawRunArtifact, "additional">): JudgedArtifact {
  const { step, ordinal, fencing } = raw;
  return {
    orgId: raw.org_id as OrgId,
    artifactId: raw.artifact_id as RunArtifactId,
    runId: raw.run_id as RunId,
    kind: raw.kind as RunArtifactKind,
    uri: raw.uri,
    contentHash: raw.content_hash,
    flags: {
      sbomPresent: raw.sbom_present,
      slsaProvenancePresent: raw.slsa_provenance_present,
      riskAssessmentPresent: raw.risk_assessment_present,
    },
    createdMs: raw.created_ms,
    createdBy: raw.created_by,
    origin: step === null || ordinal === null || fencing === null ? null : { step, ordinal, fencing },
  };
}
