// Disclosure packs: what is told of a run to others. Not here: the archive that is handed out, see operations/pack-export.ts.
import type { OrgId, PackId, RunArtifactId, RunId } from "./id.ts";

/** Never changes. The newest of a run is the one that its manifest shows. */
export interface DisclosurePack {
  readonly orgId: OrgId;
  readonly packId: PackId;
  readonly runId: RunId;
  readonly summary: string;
  /** In the order given; all of the run. */
  readonly artifactIds: readonly RunArtifactId[];
  /** Kinds of records whose bodies are withheld; `*` stands for anything. */
  readonly redactions: readonly string[];
  /** Of summary, artifacts and redactions: the very same pack of a run is there once. */
  readonly digest: string;
  readonly createdMs: number;
  readonly createdBy: string;
}
