// What was found in the content of artifacts: facts, which the verified mode judges. Not here: how it is fetched and read, see
// neighbours/evidence.
import type { RunArtifactId } from "../id.ts";

/** Why content is not there to be judged. */
export type EvidenceProblem =
  "NO_SOURCE" | "NOT_ALLOWED" | "NOT_FOUND" | "UNREACHABLE" | "TOO_LARGE" | "TOO_LATE" | "NOT_READ" | "UNREADABLE";

/** Digests in lower-case hexadecimal by algorithm, such as `sha256`. */
export type Digests = Readonly<Record<string, string>>;

export type ContentFinding =
  | { readonly state: "READ"; readonly sizeBytes: number; readonly digests: Digests }
  | { readonly state: "MISSING"; readonly problem: EvidenceProblem; readonly explanation: string };

/** What a bill of materials says it describes. */
export interface SbomSubject {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly digests: Digests;
}
export type SbomFinding =
  | {
      readonly state: "VALID";
      /** Such as `CycloneDX 1.6 JSON`. */
      readonly format: string;
      readonly components: number;
      /** It says in so many words that there are no components. */
      readonly explicitlyNone: boolean;
      readonly subjects: readonly SbomSubject[];
    }
  | { readonly state: "INVALID"; readonly explanation: string };

/** One envelope of a provenance artifact, and what it is good for. */
export interface EnvelopeFinding {
  /** The trusted builders with a key that signed it; none when nobody did whom the policy knows. */
  readonly signedBy: readonly string[];
  /** The builder that the statement names. */
  readonly builderId: string;
  readonly predicateType: string;
  readonly subjects: readonly { readonly name: string; readonly digests: Digests }[];
}
export type ProvenanceFinding =
  | { readonly state: "READ"; readonly envelopes: readonly EnvelopeFinding[] }
  | { readonly state: "INVALID"; readonly explanation: string };

export interface Finding {
  readonly artifactId: RunArtifactId;
  readonly content: ContentFinding;
  /** Of artifacts of their kinds whose content was read. */
  readonly sbom: SbomFinding | null;
  readonly provenance: ProvenanceFinding | null;
  /** Whether there is nothing in a risk assessment that anybody could read. */
  readonly blank: boolean;
}

/** Digests that count, with the length of their text: what has no second content with the same digest in anybody's reach. */
const STRONG: Readonly<Record<string, number>> = { sha256: 64, sha384: 96, sha512: 128 };

export type DeclaredDigest =
  | { readonly ok: true; readonly algorithm: string; readonly hex: string }
  | { readonly ok: false; readonly problem: string };

/** The digest in a `content_hash`, if it is a full one of an algorithm that counts. */
export function declaredDigest(contentHash: string): DeclaredDigest {
  if (contentHash === "") return { ok: false, problem: "it has no content_hash" };
  const colon = contentHash.indexOf(":");
  const algorithm = normalAlgorithm(contentHash.slice(0, Math.max(colon, 0)));
  const length = Object.hasOwn(STRONG, algorithm) ? STRONG[algorithm] : undefined;
  if (length === undefined)
    return { ok: false, problem: `its content_hash is not of ${Object.keys(STRONG).join(", ")}` };
  const hex = contentHash.slice(colon + 1).toLowerCase();
  if (hex.length !== length || !/^[0-9a-f]*$/.test(hex))
    return { ok: false, problem: `its content_hash is no full ${algorithm} digest of ${length} hexadecimal digits` };
  return { ok: true, algorithm, hex };
}

/** `SHA-256`, `SHA256` and `sha256` are one. */
export function normalAlgorithm(text: string): string {
  return text.toLowerCase().replace(/^sha[-_](?=\d)/, "sha");
}

/** The digests among these that count. */
export function strongDigests(digests: Digests): Digests {
  const strong: Record<string, string> = {};
  for (const [name, text] of Object.entries(digests)) {
    const digest = declaredDigest(`${name}:${text}`);
    if (digest.ok) strong[digest.algorithm] = digest.hex;
  }
  return strong;
}

/** Whether both speak of the same content: some algorithm is in both, and none of those disagrees. */
export function sameContent(a: Digests, b: Digests): boolean {
  const shared = Object.keys(a).filter((algorithm) => Object.hasOwn(b, algorithm));
  return shared.length > 0 && shared.every((algorithm) => a[algorithm] === b[algorithm]);
}

/** Looks for something of the same content among many: in a time that does not grow with them. */
export function byContent<T extends { readonly digests: Digests }>(
  all: Iterable<T>,
): (digests: Digests) => T | undefined {
  const lists = new Map<string, T[]>();
  const seen = new Set<string>();
  for (const one of all) {
    const keys = keysOf(one.digests);
    const text = keys.join();
    // Content with many names is one.
    if (seen.has(text)) continue;
    seen.add(text);
    for (const key of keys) {
      const list = lists.get(key);
      if (list === undefined) lists.set(key, [one]);
      else list.push(one);
    }
  }
  const answers = new Map<string, T | undefined>();
  return (digests) => {
    const keys = keysOf(digests);
    const text = keys.join();
    if (answers.has(text)) return answers.get(text);
    let found: T | undefined;
    for (const key of keys) found ??= lists.get(key)?.find((one) => sameContent(one.digests, digests));
    answers.set(text, found);
    return found;
  };
}

function keysOf(digests: Digests): readonly string[] {
  return Object.entries(digests)
    .map(([algorithm, hex]) => `${algorithm}:${hex}`)
    .sort();
}

/** Whether content that was read is what its artifact says it is. */
export function hashHolds(contentHash: string, { content }: Finding): boolean {
  const declared = declaredDigest(contentHash);
  return declared.ok && content.state === "READ" && content.digests[declared.algorithm] === declared.hex;
}
