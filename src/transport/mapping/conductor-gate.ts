// Judgements of the release gate and waivers as messages and back. Not here: manifests, and what REST makes of any of it.
import type { GrantWaiverRequest } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { ReleaseGate, Verdict as WireVerdict } from "../../../gen/maestro/conductor/v1/release_gate_pb.ts";
import type { Waiver as WireWaiver } from "../../../gen/maestro/conductor/v1/waiver_pb.ts";
import { ID_PREFIX } from "../../domain/id.ts";
import type { WaiverId } from "../../domain/id.ts";
import type { Judgement, Verdict } from "../../domain/release/gate.ts";
import type { Waiver } from "../../domain/waiver.ts";
import type { Looked } from "../../operations/run-name.ts";
import type { WaiverGrantRequest } from "../../operations/waiver-grant.ts";
import { uuidOf } from "../../support/typeid.ts";
import { momentIn, runArtifactName, runName } from "./conductor.ts";
import { idText, optionalIdText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { optionalTimestamp, timestamp } from "./time.ts";
import { visibleIn } from "./visible.ts";
import { gateModes, verdictStates } from "./words.ts";

export function judgementToWire({ runId, passed, message, details, mode, verdicts }: Judgement): ReleaseGate {
  return {
    $typeName: "maestro.conductor.v1.ReleaseGate",
    runId: idText("run", runId),
    passed,
    message,
    details: {
      $typeName: "maestro.conductor.v1.GateDetails",
      totalArtifacts: details.totalArtifacts,
      compliantArtifacts: details.compliantArtifacts,
      compliantArtifactIds: details.compliantArtifactIds.map((id) => idText("runArtifact", id)),
      currentStatus: details.currentStatus?.toLowerCase() ?? "",
      requiredStatus: details.requiredStatus?.toLowerCase() ?? "",
      failedRules: [...details.failedRules],
    },
    mode: gateModes.number(mode),
    verdicts: verdicts.map(verdictToWire),
  };
}

function verdictToWire({ rule, state, explanation, artifactId, waiverId, evidence }: Verdict): WireVerdict {
  return {
    $typeName: "maestro.conductor.v1.Verdict",
    rule,
    state: verdictStates.number(state),
    explanation,
    artifactId: optionalIdText("runArtifact", artifactId),
    waiverId: optionalIdText("waiver", waiverId),
    evidence: { ...evidence },
  };
}

export function waiverName(text: string): Looked<WaiverId> {
  return { id: (uuidOf(text, ID_PREFIX.waiver) ?? null) as WaiverId | null, text };
}

export function waiverRequestOf(wire: GrantWaiverRequest, problems: Problems): WaiverGrantRequest {
  return {
    run: runName(wire.runId),
    rule: wire.rule,
    artifact: wire.artifactId === "" ? null : runArtifactName(wire.artifactId),
    reason: visibleIn(problems, "reason", wire.reason),
    // That there is one was asked of the message.
    expiresMs: momentIn(problems, "expires_at", wire.expiresAt) ?? 0,
  };
}

export function waiverToWire(waiver: Waiver): WireWaiver {
  return {
    $typeName: "maestro.conductor.v1.Waiver",
    id: idText("waiver", waiver.waiverId),
    runId: idText("run", waiver.runId),
    rule: waiver.rule,
    artifactId: optionalIdText("runArtifact", waiver.artifactId),
    reason: waiver.reason,
    grantedBy: waiver.grantedBy,
    grantedAt: timestamp(waiver.grantedMs),
    expiresAt: timestamp(waiver.expiresMs),
    revokedAt: optionalTimestamp(waiver.revokedMs),
    revokedBy: waiver.revokedBy ?? "",
    envelopeJson: waiver.envelope,
  };
}
