// Runs, and what hangs on them, as the store takes them. Not here: expectations.
import { createHash } from "node:crypto";
import type { DisclosurePack } from "../../src/domain/disclosure-pack.ts";
import type { Goal } from "../../src/domain/goal.ts";
import { runOfPlan } from "../../src/domain/id.ts";
import type { OrgId, PackId, RunArtifactId, RunId, WaiverId, WorkflowId } from "../../src/domain/id.ts";
import type { RunArtifact } from "../../src/domain/run-artifact.ts";
import type { Run } from "../../src/domain/run.ts";
import type { SigningKey } from "../../src/domain/signing-key.ts";
import type { Waiver } from "../../src/domain/waiver.ts";
import type { Workflow } from "../../src/domain/workflow.ts";
import { newId } from "./store.ts";

/** A run of work done elsewhere. */
export function aToldRun(orgId: OrgId, fields: Partial<Run> = {}): Run {
  return {
    orgId,
    runId: newId() as RunId,
    planId: null,
    name: "nightly",
    owner: "team-a",
    pastOwners: [],
    status: "RUNNING",
    startedMs: 1_000,
    finishedMs: null,
    costEstimate: null,
    costActual: null,
    relatedEntityIds: [],
    relatedDecisionIds: [],
    metadata: "{}",
    workflowId: null,
    tasks: [],
    charter: null,
    createdMs: 1_000,
    createdBy: "alice",
    ...fields,
  };
}

/** The run of a goal's plan, as its commit writes it. */
export function aPlansRun({ orgId, planId, spec, createdMs, createdBy }: Goal, fields: Partial<Run> = {}): Run {
  return aToldRun(orgId, {
    runId: runOfPlan(planId),
    planId,
    name: spec.name,
    owner: createdBy,
    startedMs: createdMs,
    createdMs,
    createdBy,
    ...fields,
  });
}

export function aRunArtifact(orgId: OrgId, runId: RunId, fields: Partial<RunArtifact> = {}): RunArtifact {
  return {
    orgId,
    artifactId: newId() as RunArtifactId,
    runId,
    kind: "SBOM",
    uri: "https://example.test/sbom.json",
    contentHash: "",
    flags: { sbomPresent: true, slsaProvenancePresent: false, riskAssessmentPresent: false },
    additional: "{}",
    createdMs: 1_000,
    createdBy: "alice",
    origin: null,
    ...fields,
  };
}

export function aPack(orgId: OrgId, runId: RunId, fields: Partial<DisclosurePack> = {}): DisclosurePack {
  return {
    orgId,
    packId: newId() as PackId,
    runId,
    summary: "What was made",
    artifactIds: [],
    redactions: [],
    digest: newId(),
    createdMs: 1_000,
    createdBy: "alice",
    ...fields,
  };
}

export function aWorkflow(orgId: OrgId, fields: Partial<Workflow> = {}): Workflow {
  return {
    orgId,
    workflowId: newId() as WorkflowId,
    name: "release",
    tasks: [{ name: "build", agentType: "builder" }],
    dependencies: [],
    createdMs: 1_000,
    createdBy: "alice",
    ...fields,
  };
}

export function aWaiver(orgId: OrgId, runId: RunId, fields: Partial<Waiver> = {}): Waiver {
  return {
    orgId,
    waiverId: newId() as WaiverId,
    runId,
    rule: "sbom.present",
    artifactId: null,
    reason: "Known",
    grantedBy: "bob",
    grantedMs: 1_000,
    expiresMs: 2_000,
    revokedMs: null,
    revokedBy: null,
    envelope: "{}",
    ...fields,
  };
}

/** No key that could sign; the store does not look. */
export function aSigningKey(orgId: OrgId, fields: Partial<SigningKey> = {}): SigningKey {
  const digest = createHash("sha256").update(newId()).digest("hex");
  return { orgId, keyId: `sha256:${digest}`, publicPem: "public", privatePem: "private", createdMs: 1_000, ...fields };
}
