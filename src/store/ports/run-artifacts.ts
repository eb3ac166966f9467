// Artifacts of runs in the store. Those that outcomes named come with the outcome's transaction.
import type { OrgId, RunArtifactId, RunId } from "../../domain/id.ts";
import type { JudgedArtifact } from "../../domain/release/gate.ts";
import type { RunArtifact, RunArtifactKind } from "../../domain/run-artifact.ts";
import type { PageRequest } from "./paging.ts";

export interface RunArtifactRepository {
  /** In bulk. */
  add(artifacts: readonly RunArtifact[]): Promise<void>;
  /** In bulk, in the order asked; undefined for those that are not there. */
  find(orgId: OrgId, artifactIds: readonly RunArtifactId[]): Promise<readonly (RunArtifact | undefined)[]>;
  /** Newest first; sort key [created_ms, artifact_id]. Everything that was ever named. */
  list(
    orgId: OrgId,
    query: { readonly runId: RunId | null; readonly kind: RunArtifactKind | null },
    page: PageRequest,
  ): Promise<readonly RunArtifact[]>;
  /**
   * Those of a run that stand, newest first: told by calls, or named by the attempt that a current step succeeded with. At most
   * `limit`, and no more once their texts have more than `mostCharacters`. What a gate judges and a manifest shows.
   */
  standing(orgId: OrgId, runId: RunId, limit: number, mostCharacters?: number): Promise<readonly RunArtifact[]>;
  /** The same, as far as a gate looks at them: their metadata is not read, which may be most of what they are. */
  judged(orgId: OrgId, runId: RunId, limit: number): Promise<readonly JudgedArtifact[]>;
}
