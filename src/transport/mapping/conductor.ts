// Runs and their artifacts as messages and back. Not here: what REST makes of them, nor gates, packs and workflows.
import type { JsonObject } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { Artifact as WireArtifact, ArtifactMetadata } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import type {
  CreateArtifactRequest,
  CreateRunRequest,
  UpdateRunRequest,
} from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { Run as WireRun, TaskRun as WireTaskRun } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import { ID_PREFIX } from "../../domain/id.ts";
import type { RunArtifactId, RunId } from "../../domain/id.ts";
import { METADATA_LIMIT_BYTES } from "../../domain/run.ts";
import type { Run, RunChange, RunDraft, TaskRun } from "../../domain/run.ts";
import type { RunArtifact, RunArtifactFlags } from "../../domain/run-artifact.ts";
import type { RunArtifactCreateRequest } from "../../operations/run-artifact-create.ts";
import type { Looked, RunName } from "../../operations/run-name.ts";
import { uuidOf } from "../../support/typeid.ts";
import { idText, optionalIdText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { visibleIn } from "./visible.ts";
import { optionalTimestamp, timestamp, timestampMs } from "./time.ts";
import { runArtifactKinds, runStatuses } from "./words.ts";

/** A run by its id, or by that of its plan or goal; a text that can be none of them is looked up in vain. */
export function runName(text: string): RunName {
  const uuid = uuidOf(text, ID_PREFIX.run) ?? uuidOf(text, ID_PREFIX.plan) ?? uuidOf(text, ID_PREFIX.goal);
  return { id: (uuid ?? null) as RunId | null, text };
}

export function runArtifactName(text: string): Looked<RunArtifactId> {
  return { id: (uuidOf(text, ID_PREFIX.runArtifact) ?? null) as RunArtifactId | null, text };
}

/** The end of the year 9999: what is beyond is a mistake, and REST could not write it. */
const LAST_MS = 253_402_300_799_999;

/** A moment in a field; null when it is absent. */
export function momentIn(problems: Problems, field: string, time: Timestamp | undefined): number | null {
  if (time === undefined) return null;
  const ms = timestampMs(time);
  const isOne = time.nanos >= 0 && time.nanos < 1e9 && ms >= 0 && ms <= LAST_MS;
  if (!isOne) problems.add(field, "must be between the years 1970 and 9999", "timestamp.range");
  return ms;
}

/** The text of a free object; what is in it was judged with the message. */
export function metadataIn(problems: Problems, field: string, object: JsonObject | undefined): string {
  if (object === undefined) return NO_METADATA;
  const text = JSON.stringify(object);
  if (Buffer.byteLength(text) > METADATA_LIMIT_BYTES)
    problems.add(field, `must be at most ${METADATA_LIMIT_BYTES} bytes as JSON`, "json.max_bytes");
  return text;
}

const NO_METADATA = "{}";

export function metadataToWire(text: string): JsonObject {
  return text === NO_METADATA ? {} : (JSON.parse(text) as JsonObject);
}

export function runDraftOf(wire: CreateRunRequest, problems: Problems): RunDraft {
  return {
    name: visibleIn(problems, "name", wire.name),
    owner: visibleIn(problems, "owner", wire.owner),
    status: runStatuses.word(wire.status) ?? null,
    startedMs: momentIn(problems, "started_at", wire.startedAt),
    finishedMs: momentIn(problems, "finished_at", wire.finishedAt),
    costEstimate: wire.costEstimate ?? null,
    costActual: wire.costActual ?? null,
    relatedEntityIds: wire.relatedEntityIds,
    relatedDecisionIds: wire.relatedDecisionIds,
    metadata: metadataIn(problems, "metadata", wire.metadata),
  };
}

export function runChangeOf(wire: UpdateRunRequest, problems: Problems): RunChange {
  return {
    name: wire.name === undefined ? null : visibleIn(problems, "name", wire.name),
    owner: wire.owner === undefined ? null : visibleIn(problems, "owner", wire.owner),
    status: runStatuses.word(wire.status) ?? null,
    finishedMs: momentIn(problems, "finished_at", wire.finishedAt),
    costEstimate: wire.costEstimate ?? null,
    costActual: wire.costActual ?? null,
    relatedEntityIds: wire.relatedEntityIds?.ids ?? null,
    relatedDecisionIds: wire.relatedDecisionIds?.ids ?? null,
    metadata: wire.metadata === undefined ? null : metadataIn(problems, "metadata", wire.metadata),
  };
}

export function runToWire(run: Run): WireRun {
  return {
    $typeName: "maestro.conductor.v1.Run",
    id: idText("run", run.runId),
    name: run.name,
    owner: run.owner,
    startedAt: timestamp(run.startedMs),
    finishedAt: optionalTimestamp(run.finishedMs),
    status: runStatuses.number(run.status),
    costEstimate: run.costEstimate ?? undefined,
    costActual: run.costActual ?? undefined,
    relatedEntityIds: [...run.relatedEntityIds],
    relatedDecisionIds: [...run.relatedDecisionIds],
    metadata: metadataToWire(run.metadata),
    workflowId: optionalIdText("workflow", run.workflowId),
    taskRuns: (run.taskRuns ?? []).map(taskRunToWire),
    planId: optionalIdText("plan", run.planId),
    charter: run.charter ?? "",
    createdAt: timestamp(run.createdMs),
  };
}

function taskRunToWire({ name, agentType, status, step, startedMs, finishedMs }: TaskRun): WireTaskRun {
  return {
    $typeName: "maestro.conductor.v1.TaskRun",
    name,
    agentType,
    status: runStatuses.number(status),
    step,
    startedAt: optionalTimestamp(startedMs),
    finishedAt: optionalTimestamp(finishedMs),
  };
}

const NO_FLAGS: RunArtifactFlags = { sbomPresent: false, slsaProvenancePresent: false, riskAssessmentPresent: false };

function flagsOf(wire: ArtifactMetadata | undefined): RunArtifactFlags {
  if (wire === undefined) return NO_FLAGS;
  const { sbomPresent, slsaProvenancePresent, riskAssessmentPresent } = wire;
  return { sbomPresent, slsaProvenancePresent, riskAssessmentPresent };
}

export function runArtifactOf(wire: CreateArtifactRequest, problems: Problems): RunArtifactCreateRequest {
  return {
    run: runName(wire.runId),
    // Any other kind was refused with the message.
    kind: runArtifactKinds.word(wire.kind) ?? "OTHER",
    uri: wire.pathOrUri,
    contentHash: wire.contentHash,
    flags: flagsOf(wire.metadataJson),
    additional: metadataIn(problems, "metadata_json.additional_metadata", wire.metadataJson?.additionalMetadata),
  };
}

export function runArtifactToWire(artifact: RunArtifact): WireArtifact {
  return {
    $typeName: "maestro.conductor.v1.Artifact",
    id: idText("runArtifact", artifact.artifactId),
    runId: idText("run", artifact.runId),
    kind: runArtifactKinds.number(artifact.kind),
    pathOrUri: artifact.uri,
    contentHash: artifact.contentHash,
    metadataJson: {
      $typeName: "maestro.conductor.v1.ArtifactMetadata",
      ...artifact.flags,
      additionalMetadata: metadataToWire(artifact.additional),
    },
    createdAt: timestamp(artifact.createdMs),
    createdBy: artifact.createdBy,
    step: artifact.origin?.step ?? "",
  };
}
