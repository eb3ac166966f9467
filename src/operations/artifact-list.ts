// Lists artifacts, newest first.
import type { Operation } from "../engine/operation.ts";
import type { KeptArtifact } from "../domain/artifact.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface ArtifactListRequest {
  readonly page: PageRequest;
}

export const artifactList: Operation<ArtifactListRequest, Page<KeptArtifact>> = async (tx, { page }, context) => {
  const artifacts = await tx.artifacts.list(context.principal.orgId, oneMore(page));
  return read(pageOf(artifacts, page, ({ createdMs, digest }) => [createdMs, digest]));
};
