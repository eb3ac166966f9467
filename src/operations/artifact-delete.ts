// Deletes an artifact that no plan under way uses.
import type { Operation } from "../engine/operation.ts";
import { artifactUri, inUse } from "../domain/artifact.ts";
import { notFound } from "../domain/refusal.ts";
import type { ArtifactRequest } from "./artifact-get.ts";
import { journaled } from "./done.ts";

export const artifactDelete: Operation<ArtifactRequest, null> = async (tx, { digest }, context) => {
  const { orgId, name: actor } = context.principal;
  const account = await tx.artifacts.lockAccount(orgId);
  // From here on nobody begins to use it.
  const artifact = await tx.artifacts.lock(orgId, digest);
  if (artifact === undefined) return notFound("artifact", artifactUri(digest));
  const planId = await tx.artifacts.openUse(orgId, digest);
  if (planId !== undefined) return inUse(digest, planId);
  await tx.artifacts.remove(artifact, await tx.nowMs());
  await tx.artifacts.saveAccount(orgId, { ...account, keptBytes: account.keptBytes - artifact.sizeBytes });
  return journaled(null, {
    kind: "artifact.delete",
    actor,
    body: { digest, size_bytes: artifact.sizeBytes, name: artifact.name },
  });
};
