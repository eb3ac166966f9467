// Returns an artifact of a run. Calls go together.
import type { GroupOperation } from "../engine/operation.ts";
import type { RunArtifactId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import type { RunArtifact } from "../domain/run-artifact.ts";
import { read } from "./done.ts";
import { findAll } from "./run-name.ts";
import type { Looked } from "./run-name.ts";

export const runArtifactGet: GroupOperation<Looked<RunArtifactId>, RunArtifact> = async (tx, calls) => {
  const names = calls.map(({ request }) => request);
  const orgId = calls[0]?.context.principal.orgId;
  const found = await findAll(names, async (ids) => (orgId === undefined ? [] : tx.runArtifacts.find(orgId, ids)));
  return names.map(({ text }, i) => {
    const artifact = found[i];
    return artifact === undefined ? notFound("artifact", text) : read(artifact);
  });
};
