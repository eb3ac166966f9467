// Evidence, wherever it is kept: fetched, read and found out about. Comments are the contract. Not here: what is made of it, see
// domain/release.
import type { TrustedBuilder } from "../../domain/charter.ts";
import type { OrgId, RunArtifactId } from "../../domain/id.ts";
import type { EvidenceProblem, Finding } from "../../domain/release/evidence.ts";
import type { JudgedArtifact } from "../../domain/release/gate.ts";

export interface EvidenceReader {
  /**
   * Fetches and reads artifacts, and says of each what was found. Whatever is wrong with one is a finding of it, never thrown:
   * content may be hostile. Ends within a bound of its own, at which what is left is found TOO_LATE. BUSY when too many ask already,
   * or others' evidence takes all threads for too long: what the server lacks is never a finding. Orgs take turns. Throws the abort's
   * reason.
   */
  read(
    orgId: OrgId,
    artifacts: readonly JudgedArtifact[],
    builders: readonly TrustedBuilder[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<RunArtifactId, Finding> | "BUSY">;
  /** Ends its threads. */
  close(): Promise<void>;
}

/** A place that content can be fetched from. */
export interface EvidenceSource {
  /** Whether an address is one of its own. */
  takes(uri: string): boolean;
  /** The content from its first byte on, in pieces; throws FetchError, and the abort's reason. Whoever stops early returns the iterator. */
  fetch(orgId: OrgId, uri: string, signal: AbortSignal): AsyncIterable<Uint8Array>;
}

/** Why content cannot be had, in words that its readers may see: nothing of another machine's answers is in them. */
export class FetchError extends Error {
  readonly problem: EvidenceProblem;
  constructor(problem: EvidenceProblem, explanation: string) {
    super(explanation);
    this.problem = problem;
  }
}
