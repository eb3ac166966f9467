// Returns a run with what it made, its newest disclosure pack and its compliance report, all of one moment. Not here: how it is judged.
import type { Operation } from "../engine/operation.ts";
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import { complianceReport } from "../domain/release/compliance.ts";
import type { ComplianceReport } from "../domain/release/compliance.ts";
import { GATE_ARTIFACTS } from "../domain/release/gate.ts";
import type { Judgement } from "../domain/release/gate.ts";
import { decided, notFound, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { Run } from "../domain/run.ts";
import type { RunArtifact } from "../domain/run-artifact.ts";
import { read } from "./done.ts";
import type { ReleaseGate } from "./release-gate.ts";
import type { RunName } from "./run-name.ts";
import { withTaskRuns } from "./task-runs.ts";

export interface Manifest {
  readonly run: Run;
  /** Those that stand, newest first. */
  readonly artifacts: readonly RunArtifact[];
  readonly pack: DisclosurePack | undefined;
  readonly report: ComplianceReport;
}

/** Of addresses and metadata of all its artifacts; ten thousand usual ones have less than one in a hundred of it. */
const MANIFEST_CHARACTERS = 64 * 1024 * 1024;

/** Evidence, where the run's policy asks for it, is read after the transaction: what the store knows is of one moment even so. */
export function manifestGet(gate: ReleaseGate, mostCharacters = MANIFEST_CHARACTERS): Operation<RunName, Manifest> {
  return async (tx, { id, text }, { principal: { orgId }, signal }) => {
    const [found] = id === null ? [] : await tx.runs.find(orgId, [id]);
    if (found === undefined) return notFound("run", text);
    const [run = found] = await withTaskRuns(tx, orgId, [found]);
    const [artifacts, pack] = await Promise.all([
      tx.runArtifacts.standing(orgId, run.runId, GATE_ARTIFACTS + 1, mostCharacters),
      tx.disclosurePacks.newest(orgId, run.runId),
    ]);
    const characters = artifacts.reduce((sum, { uri, additional }) => sum + uri.length + additional.length, 0);
    if (characters > mostCharacters) return tooLarge(run, mostCharacters);
    const loaded = await gate.load(tx, run, undefined, artifacts);
    const manifest = (judgement: Judgement): Manifest => ({
      run,
      artifacts,
      pack,
      report: complianceReport(run, artifacts, judgement),
    });
    if (!gate.readsEvidence(loaded)) return read(manifest(gate.judgeAtOnce(loaded)));
    return decided({ later: async () => decided(manifest(await gate.judge(loaded, signal))) });
  };
}

function tooLarge({ name }: Run, most: number): Decision<never> {
  return refused("TOO_LARGE", `The artifacts of ${name} say more than a manifest holds.`, {
    rule: "manifest.size",
    metadata: { limit_bytes: String(most) },
    remedy: "List its artifacts, page by page.",
  });
}
