// The methods of release governance for the isolation test, as rows of its two lists. Not here: what they are tried for.
import { runOfPlan } from "../../src/domain/id.ts";
import type { OrgId } from "../../src/domain/id.ts";
import type { Goal } from "../../src/domain/goal.ts";
import type { Tx } from "../../src/store/ports/store.ts";
import { aPack, aPlansRun, aRunArtifact, aSigningKey, aToldRun, aWaiver, aWorkflow } from "../support/runs.ts";

interface Governed {
  readonly orgId: OrgId;
  readonly goal: Goal;
  readonly conductor: Conductor;
}
type Method = (tx: Tx, full: Governed) => Promise<unknown>;

const page = { limit: 100, after: null };

export const conductorOf = (goal: Goal) => {
  const told = aToldRun(goal.orgId, { owner: "alice" });
  const artifact = aRunArtifact(goal.orgId, told.runId);
  return {
    told,
    artifact,
    pack: aPack(goal.orgId, told.runId, { artifactIds: [artifact.artifactId] }),
    workflow: aWorkflow(goal.orgId),
    waiver: aWaiver(goal.orgId, told.runId),
    signingKey: aSigningKey(goal.orgId),
  };
};
export type Conductor = ReturnType<typeof conductorOf>;

export async function addConductor(tx: Tx, { orgId, goal, conductor }: Governed): Promise<void> {
  const { told, artifact, pack, workflow, waiver, signingKey } = conductor;
  await tx.runs.add([told, aPlansRun(goal)]);
  await tx.runArtifacts.add([artifact]);
  await tx.disclosurePacks.add(pack);
  await tx.workflows.add(workflow);
  await tx.waivers.add(waiver);
  await tx.signingKeys.ensure(orgId, () => signingKey);
}

export const conductorReads: Readonly<Record<string, Method>> = {
  "runs.find": async (tx, f) => (await tx.runs.find(f.orgId, [f.conductor.told.runId]))[0],
  "runs.find of a plan": async (tx, f) => (await tx.runs.find(f.orgId, [runOfPlan(f.goal.planId)]))[0],
  "runs.lock": (tx, f) => tx.runs.lock(f.orgId, f.conductor.told.runId),
  "runs.list": (tx, f) => tx.runs.list(f.orgId, { owner: null, status: null }, page),
  "runs.list by owner": (tx, f) => tx.runs.list(f.orgId, { owner: "alice", status: null }, page),
  "runs.list by status": (tx, f) => tx.runs.list(f.orgId, { owner: null, status: "RUNNING" }, page),
  "runs.list by both": (tx, f) => tx.runs.list(f.orgId, { owner: "alice", status: "RUNNING" }, page),
  "runArtifacts.find": async (tx, f) => (await tx.runArtifacts.find(f.orgId, [f.conductor.artifact.artifactId]))[0],
  "runArtifacts.list": (tx, f) => tx.runArtifacts.list(f.orgId, { runId: null, kind: null }, page),
  "runArtifacts.list of a run": (tx, f) =>
    tx.runArtifacts.list(f.orgId, { runId: f.conductor.told.runId, kind: null }, page),
  "runArtifacts.list by kind": (tx, f) => tx.runArtifacts.list(f.orgId, { runId: null, kind: "SBOM" }, page),
  "runArtifacts.list by both": (tx, f) =>
    tx.runArtifacts.list(f.orgId, { runId: f.conductor.told.runId, kind: "SBOM" }, page),
  "runArtifacts.judged": (tx, f) => tx.runArtifacts.judged(f.orgId, f.conductor.told.runId, 100),
  "runArtifacts.standing": (tx, f) => tx.runArtifacts.standing(f.orgId, f.conductor.told.runId, 100),
  "disclosurePacks.find": (tx, f) => tx.disclosurePacks.find(f.orgId, f.conductor.pack.packId),
  "disclosurePacks.newest": (tx, f) => tx.disclosurePacks.newest(f.orgId, f.conductor.told.runId),
  "disclosurePacks.list": (tx, f) => tx.disclosurePacks.list(f.orgId, { runId: null }, page),
  "disclosurePacks.list of a run": (tx, f) => tx.disclosurePacks.list(f.orgId, { runId: f.conductor.told.runId }, page),
  "workflows.find": (tx, f) => tx.workflows.find(f.orgId, f.conductor.workflow.workflowId),
  "workflows.list": (tx, f) => tx.workflows.list(f.orgId, page),
  "waivers.lock": (tx, f) => tx.waivers.lock(f.orgId, f.conductor.waiver.waiverId),
  "waivers.standing": (tx, f) => tx.waivers.standing(f.orgId, f.conductor.told.runId, 0, 10),
  "waivers.list": (tx, f) => tx.waivers.list(f.orgId, { runId: null }, page),
  "waivers.list of a run": (tx, f) => tx.waivers.list(f.orgId, { runId: f.conductor.told.runId }, page),
  "signingKeys.list": (tx, f) => tx.signingKeys.list(f.orgId, page),
};

export const conductorWrites: Readonly<Record<string, Method>> = {
  "runs.add": (tx, f) => tx.runs.add([aToldRun(f.orgId)]),
  "runs.addOfPlan": (tx, f) => tx.runs.addOfPlan(aPlansRun(f.goal, { name: "stolen" })),
  "runs.save": (tx, f) => tx.runs.save({ ...f.conductor.told, name: "stolen" }),
  "runArtifacts.add": (tx, f) => tx.runArtifacts.add([aRunArtifact(f.orgId, f.conductor.told.runId)]),
  "disclosurePacks.add": (tx, f) => tx.disclosurePacks.add(aPack(f.orgId, f.conductor.told.runId)),
  "disclosurePacks.add of one that is there": (tx, f) => tx.disclosurePacks.add(f.conductor.pack),
  "workflows.add": (tx, f) => tx.workflows.add(aWorkflow(f.orgId)),
  "waivers.add": (tx, f) => tx.waivers.add(aWaiver(f.orgId, f.conductor.told.runId)),
  "waivers.revoke": (tx, f) => tx.waivers.revoke(f.orgId, f.conductor.waiver.waiverId, "thief", 1),
  "signingKeys.ensure": (tx, f) => tx.signingKeys.ensure(f.orgId, () => aSigningKey(f.orgId)),
};
