// What gates are asked in tests: facts as the store and the readers of evidence would say them, keys, and signed provenance. Not
// here: expectations.
import { createHash, generateKeyPairSync } from "node:crypto";
import type { Governance, GateFacts } from "../../src/domain/release/gate.ts";
import type { Finding } from "../../src/domain/release/evidence.ts";
import type { OrgId } from "../../src/domain/id.ts";
import { NOTHING } from "../../src/domain/amounts.ts";
import { NO_RELEASE_POLICY } from "../../src/domain/charter.ts";
import type { TrustedBuilder } from "../../src/domain/charter.ts";
import type { RunArtifact, RunArtifactKind } from "../../src/domain/run-artifact.ts";
import { IN_TOTO_PAYLOAD_TYPE, signEnvelope } from "../../src/support/dsse.ts";
import { aRunArtifact, aToldRun } from "./runs.ts";

export const ORG = "00000000-0000-7000-8000-00000000000a" as OrgId;
export const BUILDER = "https://builds.example.test/release@v1";
export const ALL_FLAGS = { sbomPresent: true, slsaProvenancePresent: true, riskAssessmentPresent: true };
export const NO_FLAGS = { sbomPresent: false, slsaProvenancePresent: false, riskAssessmentPresent: false };

export const sha256Of = (content: string | Uint8Array): string => createHash("sha256").update(content).digest("hex");

/** Facts in the mode of flags of a run that succeeded. */
export function someFacts(fields: Partial<GateFacts> = {}): GateFacts {
  return {
    run: aToldRun(ORG, { status: "SUCCEEDED" }),
    scope: { kind: "RUN" },
    policy: NO_RELEASE_POLICY,
    artifacts: [],
    waivers: [],
    governance: null,
    findings: new Map(),
    ...fields,
  };
}

export function someGovernance(fields: Partial<Governance> = {}): Governance {
  return { approvals: [], makers: ["alice"], refusedSteps: [], overrun: NOTHING, ...fields };
}

export interface Piece {
  readonly artifact: RunArtifact;
  readonly finding: Finding;
}

/** An artifact whose content was read, and is what its digest names. */
export function aPiece(kind: RunArtifactKind, content: string, fields: Partial<Finding> = {}): Piece {
  const run = aToldRun(ORG);
  const hex = sha256Of(content);
  const artifact = aRunArtifact(ORG, run.runId, { kind, contentHash: `sha256:${hex}`, flags: NO_FLAGS });
  const { artifactId } = artifact;
  return {
    artifact,
    finding: {
      artifactId,
      content: { state: "READ", sizeBytes: content.length, digests: { sha256: hex } },
      sbom: null,
      provenance: null,
      blank: false,
      ...fields,
    },
  };
}

export function factsOf(pieces: readonly Piece[], fields: Partial<GateFacts> = {}): GateFacts {
  return someFacts({
    policy: { ...NO_RELEASE_POLICY, mode: "VERIFIED", builders: [{ id: BUILDER, publicKeys: [] }] },
    artifacts: pieces.map(({ artifact }) => artifact),
    findings: new Map(pieces.map(({ finding }) => [finding.artifactId, finding])),
    ...fields,
  });
}

/** Everything that a release needs, as it should be. */
export function goodPieces(): Readonly<Record<"bundle" | "sbom" | "provenance" | "risk", Piece>> {
  const bundle = aPiece("OTHER", "the bundle");
  const digests = { sha256: sha256Of("the bundle") };
  const subject = { name: "bundle.tgz", version: "1.0.0", purl: "", digests: { "SHA-256": digests.sha256 } };
  return {
    bundle,
    sbom: aPiece("SBOM", "an SBOM", {
      sbom: { state: "VALID", format: "CycloneDX 1.6 JSON", components: 2, explicitlyNone: false, subjects: [subject] },
    }),
    provenance: aPiece("SLSA_PROVENANCE", "an envelope", {
      provenance: {
        state: "READ",
        envelopes: [
          {
            signedBy: [BUILDER],
            builderId: BUILDER,
            predicateType: "https://slsa.dev/provenance/v1",
            subjects: [{ name: "bundle.tgz", digests }],
          },
        ],
      },
    }),
    risk: aPiece("RISK_ASSESSMENT", "none to speak of"),
  };
}

export interface BuilderKey {
  readonly publicPem: string;
  readonly key: { readonly keyId: string; readonly privatePem: string };
}

export function aBuilderKey(): BuilderKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519", {
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  return { publicPem: publicKey, key: { keyId: "builder", privatePem: privateKey } };
}

export function trusts(key: BuilderKey, id = BUILDER): TrustedBuilder {
  return { id, publicKeys: [key.publicPem] };
}

export interface ProvenanceOf {
  readonly builder?: string;
  readonly predicateType?: string;
  readonly subjects: Readonly<Record<string, string>>;
  /** How it was built, in SLSA 1. */
  readonly definition?: object | undefined;
}
const DEFINITION = { buildType: "https://example.test/b", externalParameters: {} };

/** Text of an envelope around SLSA provenance; `subjects` are SHA-256 digests by name. */
export function provenanceText(
  key: BuilderKey,
  { builder = BUILDER, predicateType, subjects, definition = DEFINITION }: ProvenanceOf,
): string {
  const type = predicateType ?? "https://slsa.dev/provenance/v1";
  const statement = {
    _type: type.endsWith("/v1") ? "https://in-toto.io/Statement/v1" : "https://in-toto.io/Statement/v0.1",
    subject: Object.entries(subjects).map(([name, sha256]) => ({ name, digest: { sha256 } })),
    predicateType: type,
    predicate: type.endsWith("/v1")
      ? { buildDefinition: definition, runDetails: { builder: { id: builder } } }
      : { builder: { id: builder }, buildType: "https://example.test/b" },
  };
  return JSON.stringify(signEnvelope(IN_TOTO_PAYLOAD_TYPE, JSON.stringify(statement), key.key));
}

/** A CycloneDX SBOM as npm's tools would write it. */
export function cycloneDx(components: number, fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: { type: "application", "bom-ref": "root", name: "bundle", version: "1.0.0" } },
    components: Array.from({ length: components }, (_, i) => ({
      type: "library",
      "bom-ref": `lib-${String(i)}`,
      name: `lib-${String(i)}`,
      version: `1.0.${String(i)}`,
      purl: `pkg:npm/lib-${String(i)}@1.0.${String(i)}`,
      hashes: [{ alg: "SHA-256", content: sha256Of(String(i)) }],
      licenses: [{ license: { id: "MIT" } }],
    })),
    dependencies: [{ ref: "root", dependsOn: Array.from({ length: components }, (_, i) => `lib-${String(i)}`) }],
    ...fields,
  };
}
