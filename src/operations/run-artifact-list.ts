// Lists artifacts of runs, newest first: everything that was ever named, also by attempts that no longer stand.
import type { Operation } from "../engine/operation.ts";
import type { RunArtifact, RunArtifactKind } from "../domain/run-artifact.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { weighedPage } from "./page.ts";
import type { Page } from "./page.ts";
import type { RunName } from "./run-name.ts";

export interface RunArtifactListRequest {
  /** Null for those of all runs. Of a run that is not there, there are none. */
  readonly run: RunName | null;
  readonly kind: RunArtifactKind | null;
  readonly page: PageRequest;
}

export const runArtifactList: Operation<RunArtifactListRequest, Page<RunArtifact>> = async (
  tx,
  { run, kind, page },
  context,
) => {
  if (run !== null && run.id === null) return read({ items: [], next: null });
  const query = { runId: run?.id ?? null, kind };
  return read(
    await weighedPage(
      (part) => tx.runArtifacts.list(context.principal.orgId, query, part),
      page,
      ({ createdMs, artifactId }) => [createdMs, artifactId],
      ({ uri, additional }) => uri.length + additional.length,
    ),
  );
};
