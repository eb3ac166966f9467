// Makes a disclosure pack of a run. Not here: the archive that is handed out, see pack-export.ts.
import type { Operation } from "../engine/operation.ts";
import { digestOf } from "../domain/canonical.ts";
import type { DisclosurePack } from "../domain/disclosure-pack.ts";
import { ID_PREFIX } from "../domain/id.ts";
import type { OrgId, PackId, RunArtifactId, RunId } from "../domain/id.ts";
import { decided, invalid, notFound, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import { judgeRedactions } from "../domain/release/redactions.ts";
import type { Tx } from "../store/ports/store.ts";
import { typeidOf } from "../support/typeid.ts";
import { journaled } from "./done.ts";
import type { Looked, RunName } from "./run-name.ts";
import { ensureSigningKey } from "./signing-key.ts";

export interface PackCreateRequest {
  readonly run: RunName;
  readonly summary: string;
  readonly artifacts: readonly Looked<RunArtifactId>[];
  readonly redactions: readonly string[];
}

export const packCreate: Operation<PackCreateRequest, DisclosurePack> = async (tx, request, context) => {
  const { orgId, name: actor } = context.principal;
  const { summary, redactions } = request;
  const withheld = judgeRedactions(redactions);
  if (!withheld.ok) return withheld;
  const [run] = request.run.id === null ? [] : await tx.runs.find(orgId, [request.run.id]);
  if (run === undefined) return notFound("run", request.run.text);
  const artifacts = await artifactsOf(tx, orgId, run.runId, request.artifacts);
  if (!artifacts.ok) return artifacts;
  const artifactIds = artifacts.value;
  // An export only reads, and signs with what is there then.
  await ensureSigningKey(tx, orgId);
  const pack: DisclosurePack = {
    orgId,
    packId: context.ids.uuid() as PackId,
    runId: run.runId,
    summary,
    artifactIds,
    redactions,
    digest: digestOf({ summary, artifacts: artifactIds, redactions }),
    createdMs: await tx.nowMs(),
    createdBy: actor,
  };
  if (!(await tx.disclosurePacks.add(pack))) {
    const id = typeidOf(ID_PREFIX.run, run.runId);
    return refused("ALREADY_EXISTS", `Run ${id} has a disclosure pack that says just this.`, {
      rule: "pack.same",
      metadata: { kind: "disclosure pack", id, digest: pack.digest },
      remedy: "List the run's packs: the one that is there is as good.",
    });
  }
  return journaled(pack, {
    kind: "conductor.pack.create",
    actor,
    // Ten thousand ids would be a large record; they are in the pack, which never changes, and its digest is of them.
    body: {
      pack: pack.packId,
      run: run.runId,
      summary,
      artifacts: artifactIds.length,
      redactions,
      digest: pack.digest,
    },
  });
};

/** Every one is there, is the run's, and is named once. */
async function artifactsOf(
  tx: Tx,
  orgId: OrgId,
  runId: RunId,
  asked: readonly Looked<RunArtifactId>[],
): Promise<Decision<readonly RunArtifactId[]>> {
  const ids = new Set<RunArtifactId>();
  for (const [place, { id, text }] of asked.entries()) {
    if (id === null) return notFound("artifact", text);
    if (ids.has(id))
      return invalid({
        field: `artifact_ids[${String(place)}]`,
        description: `names ${text} again`,
        rule: "pack.artifact_twice",
      });
    ids.add(id);
  }
  const found = ids.size === 0 ? [] : await tx.runArtifacts.find(orgId, [...ids]);
  for (const [place, { text }] of asked.entries()) {
    const artifact = found[place];
    if (artifact === undefined) return notFound("artifact", text);
    if (artifact.runId === runId) continue;
    const owner = typeidOf(ID_PREFIX.run, artifact.runId);
    return refused(
      "MISSING_PREMISES",
      `Artifact ${text} is of run ${owner}, and a pack holds artifacts of its own run.`,
      {
        rule: "pack.artifact_of_other_run",
        metadata: { missing: text, needed_by: typeidOf(ID_PREFIX.run, runId) },
        remedy: "Name artifacts of this run only.",
      },
    );
  }
  return decided([...ids]);
}
