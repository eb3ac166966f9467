// Returns what is known of an artifact.
import type { Operation } from "../engine/operation.ts";
import { artifactUri } from "../domain/artifact.ts";
import type { KeptArtifact } from "../domain/artifact.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";

export interface ArtifactRequest {
  readonly digest: string;
}

export const artifactGet: Operation<ArtifactRequest, KeptArtifact> = async (tx, { digest }, context) => {
  const artifact = await tx.artifacts.find(context.principal.orgId, digest);
  return artifact === undefined ? notFound("artifact", artifactUri(digest)) : read(artifact);
};
