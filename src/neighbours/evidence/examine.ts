// What is found in the bytes of one piece of evidence. Runs in a thread of its own, for the bytes may be hostile. Not here: fetching.
import { createHash } from "node:crypto";
import type { TrustedBuilder } from "../../domain/charter.ts";
import { declaredDigest } from "../../domain/release/evidence.ts";
import type { Digests, Finding, SbomFinding, SbomSubject } from "../../domain/release/evidence.ts";
import type { RunArtifactKind } from "../../domain/run-artifact.ts";
import { isBlank } from "./blank.ts";
import { readCycloneDx } from "./cyclonedx.ts";
import { readCycloneDxXml } from "./cyclonedx-xml.ts";
import { jsonObject, textIn } from "./json.ts";
import { NAME_LENGTH, SUBJECTS } from "./limits.ts";
import { readProvenance } from "./provenance.ts";
import { isSpdx3, readSpdx2, readSpdx3 } from "./spdx.ts";
import { EvidenceError, textOf } from "./unpack.ts";

export interface EvidenceBytes {
  readonly kind: RunArtifactKind;
  readonly bytes: Uint8Array;
  /** Of digests. */
  readonly algorithms: readonly string[];
  readonly builders: readonly TrustedBuilder[];
}

/** All but whose it is. */
export type Examined = Omit<Finding, "artifactId">;

/** What a thread answers. */
export interface ExaminedBytes {
  readonly found: Examined;
  /** What it came to unpacked. */
  readonly plainBytes: number;
}

export function examineBytes(order: EvidenceBytes): ExaminedBytes {
  let plainBytes = order.bytes.length;
  const found = examine(order, (bytes) => {
    plainBytes = bytes;
  });
  return { found, plainBytes };
}

export function examine(
  { kind, bytes, algorithms, builders }: EvidenceBytes,
  onBytes?: (plainBytes: number) => void,
): Examined {
  const content = { state: "READ", sizeBytes: bytes.length, digests: digestsOf(bytes, algorithms) } as const;
  const nothing = { content, sbom: null, provenance: null, blank: false };
  switch (kind) {
    case "SBOM":
      return { ...nothing, sbom: found(() => bounded(readSbom(textOf(bytes, onBytes)))) };
    case "SLSA_PROVENANCE":
      return { ...nothing, provenance: found(() => readProvenance(textOf(bytes, onBytes), builders)) };
    case "RISK_ASSESSMENT":
      // It may be a document of any kind: only that there is something can be asked.
      return { ...nothing, blank: isBlank(bytes) };
    default:
      return nothing;
  }
}

function found<T>(read: () => T): T | { readonly state: "INVALID"; readonly explanation: string } {
  try {
    return read();
  } catch (error) {
    if (error instanceof EvidenceError) return { state: "INVALID", explanation: error.message.slice(0, 1_000) };
    throw error;
  }
}

function readSbom(text: string): SbomFinding {
  if (text.trimStart().startsWith("<")) return readCycloneDxXml(text);
  const document = jsonObject(text);
  if (textIn(document, "bomFormat") === "CycloneDX") return readCycloneDx(document);
  if (Object.hasOwn(document, "spdxVersion")) return readSpdx2(document);
  if (isSpdx3(document)) return readSpdx3(document);
  throw new EvidenceError("it is neither CycloneDX nor SPDX");
}

/** What is kept of it until a judgement is made: names of some length, and digests that count. */
function bounded(sbom: SbomFinding): SbomFinding {
  if (sbom.state !== "VALID") return sbom;
  if (sbom.subjects.length > SUBJECTS) throw new EvidenceError(`it describes more than ${SUBJECTS} subjects`);
  return { ...sbom, subjects: sbom.subjects.map(boundedSubject) };
}

function boundedSubject({ name, version, purl, digests }: SbomSubject): SbomSubject {
  if (name.length + version.length + purl.length > NAME_LENGTH)
    throw new EvidenceError(`what it describes has a name of more than ${NAME_LENGTH} characters`);
  const counting = Object.entries(digests).filter(([algorithm, text]) => declaredDigest(`${algorithm}:${text}`).ok);
  return { name, version, purl, digests: Object.fromEntries(counting) };
}

function digestsOf(bytes: Uint8Array, algorithms: readonly string[]): Digests {
  return Object.fromEntries(algorithms.map((one) => [one, createHash(one).update(bytes).digest("hex")]));
}
