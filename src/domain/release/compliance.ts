// The compliance report: a run in numbers, artifact by artifact, beside what the gate says. Not here: the gate.
import type { RunArtifactId, RunId } from "../id.ts";
import { isCompliant } from "../run-artifact.ts";
import type { RunArtifactFlags, RunArtifactKind } from "../run-artifact.ts";
import type { Run, RunStatus } from "../run.ts";
import type { JudgedArtifact, Judgement } from "./gate.ts";

export interface ArtifactCompliance extends RunArtifactFlags {
  readonly artifactId: RunArtifactId;
  readonly kind: RunArtifactKind;
  readonly compliant: boolean;
}

export interface ComplianceReport {
  readonly runId: RunId;
  readonly runName: string;
  readonly runStatus: RunStatus;
  readonly releaseGatePassed: boolean;
  readonly releaseGateMessage: string;
  readonly artifacts: readonly ArtifactCompliance[];
  readonly totalArtifacts: number;
  readonly compliantArtifacts: number;
}

/** Of the artifacts that were judged. */
export function complianceReport(
  run: Run,
  artifacts: readonly JudgedArtifact[],
  judgement: Judgement,
): ComplianceReport {
  return {
    runId: run.runId,
    runName: run.name,
    runStatus: run.status,
    releaseGatePassed: judgement.passed,
    releaseGateMessage: judgement.message,
    artifacts: artifacts.map(({ artifactId, kind, flags }) => ({
      artifactId,
      kind,
      ...flags,
      compliant: isCompliant(flags),
    })),
    totalArtifacts: judgement.details.totalArtifacts,
    compliantArtifacts: judgement.details.compliantArtifacts,
  };
}
