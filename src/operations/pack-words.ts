// What an exported pack says of runs, artifacts, waivers and verdicts: JSON in the words of REST, ids as they are on every wire. Not here:
// records, see domain/release/pack-record.ts; files, see pack-export.ts.
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import { ID_PREFIX } from "../domain/id.ts";
import type { IdKind } from "../domain/id.ts";
import type { Judgement, Verdict } from "../domain/release/gate.ts";
import { isCompliant } from "../domain/run-artifact.ts";
import type { RunArtifact } from "../domain/run-artifact.ts";
import type { Run } from "../domain/run.ts";
import type { SigningKey } from "../domain/signing-key.ts";
import type { Waiver } from "../domain/waiver.ts";
import { isoTime } from "../support/clock.ts";
import { typeidOf } from "../support/typeid.ts";

type Words = Readonly<Record<string, unknown>>;

export function idWord(kind: IdKind, uuid: string): string {
  return typeidOf(ID_PREFIX[kind], uuid);
}

const optionalId = (kind: IdKind, uuid: string | null): string | null => (uuid === null ? null : idWord(kind, uuid));
const optionalTime = (epochMs: number | null): string | null => (epochMs === null ? null : isoTime(epochMs));

export function runWords(run: Run): Words {
  return {
    id: idWord("run", run.runId),
    name: run.name,
    owner: run.owner,
    started_at: isoTime(run.startedMs),
    finished_at: optionalTime(run.finishedMs),
    status: run.status.toLowerCase(),
    cost_estimate: run.costEstimate,
    cost_actual: run.costActual,
    related_entity_ids: run.relatedEntityIds,
    related_decision_ids: run.relatedDecisionIds,
    metadata: JSON.parse(run.metadata) as unknown,
    workflow_id: optionalId("workflow", run.workflowId),
    plan_id: optionalId("plan", run.planId),
    charter: run.charter,
    created_at: isoTime(run.createdMs),
    created_by: run.createdBy,
  };
}

export function packWords(pack: DisclosurePack): Words {
  return {
    id: idWord("pack", pack.packId),
    run_id: idWord("run", pack.runId),
    summary: pack.summary,
    artifacts: pack.artifactIds.length,
    redactions: pack.redactions,
    digest: pack.digest,
    created_at: isoTime(pack.createdMs),
    created_by: pack.createdBy,
  };
}

export function keyWords({ keyId, publicPem, createdMs }: SigningKey): Words {
  return { key_id: keyId, public_key_pem: publicPem, created_at: isoTime(createdMs) };
}

/** Why an artifact's content is not in a pack. */
export type LeftOut = "elsewhere" | "gone" | "too_large" | "beyond_bounds";
export type EvidencePlace = { readonly file: string } | { readonly leftOut: LeftOut };

export function artifactWords(artifact: RunArtifact, place: EvidencePlace, isJudged: boolean): Words {
  const { sbomPresent, slsaProvenancePresent, riskAssessmentPresent } = artifact.flags;
  return {
    id: idWord("runArtifact", artifact.artifactId),
    run_id: idWord("run", artifact.runId),
    kind: artifact.kind.toLowerCase(),
    path_or_uri: artifact.uri,
    content_hash: artifact.contentHash,
    metadata_json: {
      sbom_present: sbomPresent,
      slsa_provenance_present: slsaProvenancePresent,
      risk_assessment_present: riskAssessmentPresent,
      additional_metadata: JSON.parse(artifact.additional) as unknown,
    },
    compliant: isCompliant(artifact.flags),
    created_at: isoTime(artifact.createdMs),
    created_by: artifact.createdBy,
    step: artifact.origin?.step ?? null,
    judged: isJudged,
    evidence: "file" in place ? place.file : null,
    left_out: "file" in place ? null : place.leftOut,
  };
}

/** The members that its envelope signs are named and written as in there, so that they can be compared. */
export function waiverWords(waiver: Waiver): Words {
  return {
    org_id: idWord("org", waiver.orgId),
    waiver_id: idWord("waiver", waiver.waiverId),
    run_id: idWord("run", waiver.runId),
    rule: waiver.rule,
    artifact_id: optionalId("runArtifact", waiver.artifactId),
    reason: waiver.reason,
    granted_by: waiver.grantedBy,
    granted_ms: waiver.grantedMs,
    expires_ms: waiver.expiresMs,
    revoked_ms: waiver.revokedMs,
    revoked_by: waiver.revokedBy,
    envelope: JSON.parse(waiver.envelope) as unknown,
  };
}

export function verdictWords({ rule, state, explanation, artifactId, waiverId, evidence }: Verdict): Words {
  return {
    rule,
    state: state.toLowerCase(),
    explanation,
    artifact_id: optionalId("runArtifact", artifactId),
    waiver_id: optionalId("waiver", waiverId),
    evidence,
  };
}

/** Its verdicts are a list of their own. */
export function gateWords({ runId, passed, message, details, mode, verdicts }: Judgement): Words {
  return {
    run_id: idWord("run", runId),
    passed,
    message,
    mode: mode.toLowerCase(),
    details: {
      total_artifacts: details.totalArtifacts,
      compliant_artifacts: details.compliantArtifacts,
      compliant_artifact_ids: details.compliantArtifactIds.map((id) => idWord("runArtifact", id)),
      ...(details.currentStatus === null ? {} : { current_status: details.currentStatus.toLowerCase() }),
      ...(details.requiredStatus === null ? {} : { required_status: details.requiredStatus.toLowerCase() }),
      failed_rules: details.failedRules,
    },
    verdicts: verdicts.length,
  };
}

/** Without its rows: those of the pack's artifacts stand in their list. */
export function complianceWords(run: Run, { passed, message, details }: Judgement): Words {
  return {
    run_id: idWord("run", run.runId),
    run_name: run.name,
    run_status: run.status.toLowerCase(),
    release_gate_passed: passed,
    release_gate_message: message,
    summary: { total_artifacts: details.totalArtifacts, compliant_artifacts: details.compliantArtifacts },
  };
}
