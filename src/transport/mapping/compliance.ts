// Compliance reports as messages.
import type { ComplianceReport as WireReport } from "../../../gen/maestro/conductor/v1/release_gate_pb.ts";
import type { ComplianceReport } from "../../domain/release/compliance.ts";
import { idText } from "./problems.ts";

/** Words of REST are in lower case: `sbom`, `succeeded`. */
export function complianceToWire(report: ComplianceReport): WireReport {
  return {
    $typeName: "maestro.conductor.v1.ComplianceReport",
    runId: idText("run", report.runId),
    runName: report.runName,
    runStatus: report.runStatus.toLowerCase(),
    releaseGatePassed: report.releaseGatePassed,
    releaseGateMessage: report.releaseGateMessage,
    artifacts: report.artifacts.map((artifact) => ({
      $typeName: "maestro.conductor.v1.ArtifactCompliance",
      artifactId: idText("runArtifact", artifact.artifactId),
      kind: artifact.kind.toLowerCase(),
      sbomPresent: artifact.sbomPresent,
      slsaProvenancePresent: artifact.slsaProvenancePresent,
      riskAssessmentPresent: artifact.riskAssessmentPresent,
      compliant: artifact.compliant,
    })),
    summary: {
      $typeName: "maestro.conductor.v1.ComplianceSummary",
      totalArtifacts: report.totalArtifacts,
      compliantArtifacts: report.compliantArtifacts,
    },
  };
}
