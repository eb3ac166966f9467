// Artifacts of runs: what a run made, and what speaks for it. Not here: content that is kept here, see artifact.ts.
import { artifactUri, digestIn, isOwnUri } from "./artifact.ts";
import type { OrgId, RunArtifactId, RunId } from "./id.ts";
import { decided, invalid, notFound, refused } from "./refusal.ts";
import type { Decision } from "./refusal.ts";

export type RunArtifactKind =
  "SBOM" | "SLSA_PROVENANCE" | "RISK_ASSESSMENT" | "SPECIFICATION" | "BUILD_LOG" | "TEST_REPORT" | "OTHER";

/** Claims, which the gate believes in the mode of flags. */
export interface RunArtifactFlags {
  readonly sbomPresent: boolean;
  readonly slsaProvenancePresent: boolean;
  readonly riskAssessmentPresent: boolean;
}

/** Never changes. */
export interface RunArtifact {
  readonly orgId: OrgId;
  readonly artifactId: RunArtifactId;
  readonly runId: RunId;
  readonly kind: RunArtifactKind;
  readonly uri: string;
  /** `algorithm:text`; empty for none. */
  readonly contentHash: string;
  readonly flags: RunArtifactFlags;
  /** JSON text of an object. */
  readonly additional: string;
  readonly createdMs: number;
  readonly createdBy: string;
  /** The attempt whose outcome named it; null for one that was made known by a call. */
  readonly origin: { readonly step: string; readonly ordinal: number; readonly fencing: number } | null;
}

export function isCompliant({ sbomPresent, slsaProvenancePresent, riskAssessmentPresent }: RunArtifactFlags): boolean {
  return sbomPresent && slsaProvenancePresent && riskAssessmentPresent;
}

// A name alone may be a token on the web; elsewhere, as over SSH, it is only a name.
const WEB = /^(\s*(?:https?|wss?|ftps?):[/\\]*)[^/\\?#]*@/i;
const OTHER = /^(\s*[a-z][a-z0-9+.-]*:\/\/)[^/?#@]*:[^/?#]*@/i;

/** Without credentials: everybody who may read artifacts, packs and verdicts reads addresses. */
export function withoutCredentials(uri: string): string {
  return uri.replace(WEB, "$1").replace(OTHER, "$1");
}

/** Of an address that is told: it names no credentials. */
export function judgeAddress(uri: string): Decision<null> {
  if (withoutCredentials(uri) === uri) return decided(null);
  return invalid({
    field: "path_or_uri",
    description: "must not have credentials in it, which all who read the artifact would read",
    rule: "artifact.credentials",
  });
}

/** The digest of kept content that an artifact's address names; null when it is elsewhere. */
export function keptDigest(uri: string): Decision<string | null> {
  if (!isOwnUri(uri)) return decided(null);
  const digest = digestIn(uri);
  if (digest !== undefined) return decided(digest);
  return invalid({
    field: "path_or_uri",
    description: "must be the address of an artifact, such as max://artifact/sha256:…",
    rule: "artifact.uri",
  });
}

/** Whether an artifact may name kept content: it must be there, and of one digest. A hash of another kind says nothing against it. */
export function judgeKept(digest: string, isThere: boolean, contentHash: string): Decision<null> {
  if (!isThere) return notFound("artifact", artifactUri(digest));
  const said = contentHash.toLowerCase();
  if (!said.startsWith("sha256:") || said === digest) return decided(null);
  return refused(
    "CONTRADICTORY_EVIDENCE",
    `The content at that address has the digest ${digest}, not ${contentHash}.`,
    {
      rule: "artifact.content_hash",
      metadata: { expected: digest, actual: contentHash },
      remedy: "Name the content whose digest it is, or leave content_hash out.",
    },
  );
}
