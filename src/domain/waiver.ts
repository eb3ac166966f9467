// Waivers: somebody's signed word that a run may be released although a rule of the gate does not hold. Not here: the rules.
import type { OrgId, RunArtifactId, RunId, WaiverId } from "./id.ts";

export interface Waiver {
  readonly orgId: OrgId;
  readonly waiverId: WaiverId;
  readonly runId: RunId;
  readonly rule: string;
  /** Null for all artifacts of the run. */
  readonly artifactId: RunArtifactId | null;
  readonly reason: string;
  readonly grantedBy: string;
  readonly grantedMs: number;
  readonly expiresMs: number;
  readonly revokedMs: number | null;
  readonly revokedBy: string | null;
  /** JSON text of the DSSE envelope that was signed when it was granted: what counts is what it says. */
  readonly envelope: string;
}

export const LONGEST_WAIVER_MS = 365 * 86_400_000;
/** Of a run, at a time: whoever judges it reads all of them, and packs hold them all. */
export const MOST_STANDING_WAIVERS = 1_000;
