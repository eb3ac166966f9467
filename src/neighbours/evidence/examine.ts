// What is found in the bytes of one piece of evidence. Runs in a thread of its own, for the bytes may be hostile. Not here: fetching.
import { createHash } from "node:crypto";
import type { TrustedBuilder } from "../../domain/charter.ts";
import type { Digests, Finding, SbomFinding } from "../../domain/release/evidence.ts";
import type { RunArtifactKind } from "../../domain/run-artifact.ts";
import { readCycloneDx } from "./cyclonedx.ts";
import { readCycloneDxXml } from "./cyclonedx-xml.ts";
import { jsonObject, textIn } from "./json.ts";
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

export function examine({ kind, bytes, algorithms, builders }: EvidenceBytes): Examined {
  const content = { state: "READ", sizeBytes: bytes.length, digests: digestsOf(bytes, algorithms) } as const;
  const nothing = { content, sbom: null, provenance: null, blank: false };
  switch (kind) {
    case "SBOM":
      return { ...nothing, sbom: found(() => readSbom(textOf(bytes))) };
    case "SLSA_PROVENANCE":
      return { ...nothing, provenance: found(() => readProvenance(textOf(bytes), builders)) };
    case "RISK_ASSESSMENT":
      // It may be a document of any kind: only that there is something can be asked.
      return { ...nothing, blank: bytes.every((byte) => byte <= 0x20) };
    default:
      return nothing;
  }
}

function found<T>(read: () => T): T | { readonly state: "INVALID"; readonly explanation: string } {
  try {
    return read();
  } catch (error) {
    if (error instanceof EvidenceError) return { state: "INVALID", explanation: error.message };
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

function digestsOf(bytes: Uint8Array, algorithms: readonly string[]): Digests {
  return Object.fromEntries(algorithms.map((one) => [one, createHash(one).update(bytes).digest("hex")]));
}
