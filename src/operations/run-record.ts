// What records say of runs and of their artifacts: what was set, in the words of the wire. Not here: who writes them.
import type { Run, RunChange } from "../domain/run.ts";
import type { RunArtifact } from "../domain/run-artifact.ts";

type Words = Readonly<Record<string, unknown>>;

export function runRecordWords(run: Run): Words {
  return {
    run: run.runId,
    ...setWords(run),
    started_at: run.startedMs,
    ...(run.charter === null ? {} : { charter: run.charter }),
    ...(run.workflowId === null ? {} : { workflow: run.workflowId }),
  };
}

export function changeWords(run: Run, change: RunChange): Words {
  return {
    run: run.runId,
    ...setWords({ ...change, ...(change.status === null ? {} : { finishedMs: run.finishedMs }) }),
  };
}

/** Only what was set, so that a record is as short as the call was. */
function setWords(set: RunChange): Words {
  const words = {
    name: set.name,
    owner: set.owner,
    status: set.status,
    finished_at: set.finishedMs,
    cost_estimate: set.costEstimate,
    cost_actual: set.costActual,
    related_entity_ids: set.relatedEntityIds,
    related_decision_ids: set.relatedDecisionIds,
    metadata: set.metadata,
  };
  return Object.fromEntries(Object.entries(words).filter(([, value]) => value !== null));
}

export function runArtifactWords(artifact: RunArtifact): Words {
  const { sbomPresent, slsaProvenancePresent, riskAssessmentPresent } = artifact.flags;
  return {
    run: artifact.runId,
    artifact: artifact.artifactId,
    kind: artifact.kind,
    path_or_uri: artifact.uri,
    content_hash: artifact.contentHash,
    sbom_present: sbomPresent,
    slsa_provenance_present: slsaProvenancePresent,
    risk_assessment_present: riskAssessmentPresent,
    additional_metadata: artifact.additional,
  };
}
