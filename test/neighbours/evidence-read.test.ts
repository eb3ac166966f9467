// What is found in evidence: bills of materials of every form, provenance, and what is meant to harm whoever reads it. Not here: where
// it is fetched from.
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { examine } from "../../src/neighbours/evidence/examine.ts";
import type { SbomFinding } from "../../src/domain/release/evidence.ts";
import { aBuilderKey, BUILDER, cycloneDx, provenanceText, sha256Of, trusts } from "../support/gate.ts";
import { cycloneDxXml, spdx2, spdx3 } from "./documents.ts";

function sbom(content: string | Uint8Array): SbomFinding {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const { sbom: found } = examine({ kind: "SBOM", bytes, algorithms: ["sha256"], builders: [] });
  if (found === null) throw new Error("no finding");
  return found;
}
const problem = (content: string | Uint8Array): string => {
  const found = sbom(content);
  return found.state === "INVALID" ? found.explanation : "valid";
};

describe("bills of materials", () => {
  it.each(["1.4", "1.5", "1.6", "1.7"])(
    "CycloneDX %s as JSON is held against its schema and summed up",
    (specVersion) => {
      const hashes = [{ alg: "SHA-256", content: sha256Of("x") }];
      const component = { type: "application", name: "bundle", version: "1.0.0", purl: "pkg:npm/bundle@1.0.0", hashes };
      expect(sbom(JSON.stringify(cycloneDx(3, { specVersion, metadata: { component } })))).toEqual({
        state: "VALID",
        format: `CycloneDX ${specVersion} JSON`,
        components: 3,
        explicitlyNone: false,
        subjects: [
          { name: "bundle", version: "1.0.0", purl: "pkg:npm/bundle@1.0.0", digests: { "SHA-256": sha256Of("x") } },
        ],
      });
      expect(problem(JSON.stringify(cycloneDx(1, { specVersion, version: "one" })))).toContain(
        "must be integer at /version",
      );
      const twice = { type: "library", name: "a", version: "1" };
      expect(
        problem(
          JSON.stringify(
            cycloneDx(1, { specVersion, components: [twice, { version: "1", name: "a", type: "library" }] }),
          ),
        ),
      ).toContain("duplicate items at /components");
    },
  );

  it("components of components count, tools do not", () => {
    const nested = {
      type: "library",
      name: "outer",
      version: "1",
      components: [{ type: "library", name: "inner", version: "2" }],
    };
    const tools = { components: [{ type: "application", name: "a tool" }] };
    expect(sbom(JSON.stringify(cycloneDx(0, { components: [nested], metadata: { tools } })))).toMatchObject({
      components: 2,
    });
    expect(sbom(cycloneDxXml({ tools: true }))).toMatchObject({ components: 2, format: "CycloneDX 1.5 XML" });
  });

  it("that there are none must be said", () => {
    const none = { components: [], dependencies: [] };
    expect(sbom(JSON.stringify(cycloneDx(0, none)))).toMatchObject({ components: 0, explicitlyNone: false });
    const complete = { ...none, compositions: [{ aggregate: "complete" }] };
    expect(sbom(JSON.stringify(cycloneDx(0, complete)))).toMatchObject({ components: 0, explicitlyNone: true });
    expect(sbom(JSON.stringify(spdx2({ dependsOnNone: true })))).toMatchObject({ components: 0, explicitlyNone: true });
  });

  it("CycloneDX as XML", () => {
    expect(sbom(cycloneDxXml())).toEqual({
      state: "VALID",
      format: "CycloneDX 1.5 XML",
      components: 2,
      explicitlyNone: false,
      subjects: [{ name: "bundle & co", version: "1.0.0", purl: "", digests: { "SHA-256": sha256Of("x") } }],
    });
  });

  it("SPDX 2.3 and 3.0, with what they describe", () => {
    const subject = { name: "bundle", version: "1.0.0", digests: { SHA256: sha256Of("x") } };
    expect(sbom(JSON.stringify(spdx2()))).toMatchObject({
      format: "SPDX 2.3 JSON",
      components: 1,
      subjects: [subject],
    });
    expect(sbom(JSON.stringify(spdx3()))).toMatchObject({
      format: "SPDX 3.0 JSON-LD",
      components: 1,
      subjects: [{ name: "bundle", digests: { sha256: sha256Of("x") } }],
    });
  });

  it("packed ones are unpacked", () => {
    expect(sbom(gzipSync(JSON.stringify(cycloneDx(2))))).toMatchObject({ state: "VALID", components: 2 });
  });

  it.each([
    ["empty", "", "it is not JSON"],
    ["no JSON", "{", "it is not JSON"],
    ["of no known kind", '{"a":1}', "it is neither CycloneDX nor SPDX"],
    ["an array", "[]", "it is JSON, but no object"],
    ["too old", JSON.stringify(cycloneDx(1, { specVersion: "1.2" })), 'CycloneDX "1.2" is not read'],
    [
      "without names",
      JSON.stringify(cycloneDx(0, { components: [{ type: "library", version: "1" }] })),
      "must have required property 'name'",
    ],
    [
      "of blank names",
      JSON.stringify(cycloneDx(0, { components: [{ type: "library", name: " ", version: "1" }] })),
      "a component has no name",
    ],
    [
      "without versions",
      JSON.stringify(cycloneDx(0, { components: [{ type: "library", name: "a" }] })),
      'component "a" has no version',
    ],
    [
      "SPDX without a namespace",
      JSON.stringify({ ...spdx2(), documentNamespace: undefined }),
      "must have required property 'documentNamespace'",
    ],
    ["SPDX 2.1", JSON.stringify({ ...spdx2(), spdxVersion: "SPDX-2.1" }), '"SPDX-2.1" is not read'],
    [
      "SPDX 3 without a document",
      JSON.stringify({ ...spdx3(), "@graph": [{ type: "Tool", spdxId: "a" }] }),
      "it has no SpdxDocument",
    ],
    ["XML of another kind", "<html/>", "it is XML, but no CycloneDX"],
    ["XML that breaks off", cycloneDxXml().slice(0, 300), "it is not XML"],
  ])("%s is none", (_, content, expected) => {
    expect(problem(content)).toContain(expected);
  });
});

describe("what is meant to harm", () => {
  const bomb = (content: string): Uint8Array => gzipSync(content, { level: 9 });
  const xml = (inside: string, before = ""): string =>
    `<?xml version="1.0"?>${before}<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><components>${inside}</components></bom>`;
  it.each<readonly [string, string | Uint8Array, string]>([
    ["a bomb of gzip", bomb(" ".repeat(20_000_000)), "more than is taken"],
    ["gzip in gzip", gzipSync(bomb("{}")), "it is packed more than once"],
    ["damaged gzip", bomb(JSON.stringify(cycloneDx(5))).subarray(0, 100), "it is damaged gzip"],
    ["JSON that nests without end", `{"bomFormat":${"[".repeat(100_000)}`, "nesting is deeper than 64"],
    ["a name given twice", '{"bomFormat":"CycloneDX","bomFormat":"SPDX"}', 'name "bomFormat" is given twice'],
    ["a number without end", '{"bomFormat":"CycloneDX","version":1e400}', "beyond ±(2^53 − 1)"],
    ["a number that loses digits", '{"bomFormat":"CycloneDX","version":9007199254740993}', "beyond ±(2^53 − 1)"],
    [
      "names of prototypes",
      '{"__proto__":{"bomFormat":"CycloneDX","specVersion":"1.6"}}',
      "neither CycloneDX nor SPDX",
    ],
    [
      "a name of a prototype inside",
      JSON.stringify(cycloneDx(1)).replace('"version":1,', '"version":1,"__proto__":{},'),
      "must NOT have additional properties",
    ],
    [
      "entities that grow",
      xml("&a;", '<!DOCTYPE bom [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'),
      "it has a document type",
    ],
    [
      "an entity that names a file",
      xml("&x;", '<!DOCTYPE bom [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
      "it has a document type",
    ],
    ["an entity that is not declared", xml("&lol;"), "undefined entity"],
    ["XML that nests without end", xml("<a>".repeat(10_000)), "it nests deeper than 64"],
    ["XML of too many nodes", xml("<a/>".repeat(2_000_001)), "more than 2000000 nodes"],
    ["bytes that are no text", new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), "it is not UTF-8"],
    ["UTF-16", Buffer.from('\ufeff{"a":1}', "utf16le"), "it is not UTF-8"],
  ])("%s", (_, content, expected) => {
    expect(problem(content)).toContain(expected);
  });

  it("members named like those of prototypes set nothing on anything", () => {
    sbom('{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}');
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
});

describe("provenance", () => {
  const key = aBuilderKey();
  const builders = [trusts(key)];
  const subjects = { "bundle.tgz": sha256Of("bundle") };
  const read = (text: string, by = builders) =>
    examine({ kind: "SLSA_PROVENANCE", bytes: new TextEncoder().encode(text), algorithms: ["sha256"], builders: by })
      .provenance;
  const good = provenanceText(key, { subjects });

  it.each(["https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2"])(
    "%s names its builder and subjects",
    (predicateType) => {
      expect(read(provenanceText(key, { subjects, predicateType }))).toEqual({
        state: "READ",
        envelopes: [
          {
            signedBy: [BUILDER],
            builderId: BUILDER,
            predicateType,
            subjects: [{ name: "bundle.tgz", digests: { sha256: subjects["bundle.tgz"] } }],
          },
        ],
      });
    },
  );

  it("lines of envelopes, printed ones and bundles are read, each envelope for itself", () => {
    const other = aBuilderKey();
    const lines = read(`${good}\n${provenanceText(other, { subjects })}\n`);
    expect(lines).toMatchObject({ envelopes: [{ signedBy: [BUILDER] }, { signedBy: [] }] });
    expect(read(JSON.stringify(JSON.parse(good), null, 2))).toMatchObject({ envelopes: [{ signedBy: [BUILDER] }] });
    const bundle = {
      mediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      dsseEnvelope: JSON.parse(good) as object,
    };
    expect(read(JSON.stringify(bundle))).toMatchObject({ envelopes: [{ signedBy: [BUILDER] }] });
  });

  it("a changed statement, and a signature of a key that nobody trusts, are signed by nobody", () => {
    const envelope = JSON.parse(good) as { payload: string };
    const statement = Buffer.from(envelope.payload, "base64").toString().replace("bundle.tgz", "other.tgz!");
    const forged = { ...envelope, payload: Buffer.from(statement).toString("base64") };
    expect(read(JSON.stringify(forged))).toMatchObject({ envelopes: [{ signedBy: [], builderId: BUILDER }] });
    expect(read(provenanceText(aBuilderKey(), { subjects }))).toMatchObject({ envelopes: [{ signedBy: [] }] });
    expect(read(good, [{ id: BUILDER, publicKeys: ["no key"] }])).toMatchObject({ envelopes: [{ signedBy: [] }] });
  });

  it("what is spoken of is told of those alone whom the policy trusts, by digests that count", () => {
    const stranger = provenanceText(aBuilderKey(), { subjects });
    expect(read(`${good}\n${stranger}\n`)).toMatchObject({
      envelopes: [{ subjects: [{ name: "bundle.tgz" }] }, { signedBy: [], subjects: [] }],
    });
    const weak = provenanceText(key, { subjects: { "bundle.tgz": "no digest" } });
    expect(read(weak)).toMatchObject({ envelopes: [{ subjects: [{ digests: {} }] }] });
    expect(read(provenanceText(key, { subjects, builder: "b".repeat(5_000) }))).toMatchObject({ state: "INVALID" });
  });

  it("who signed and who is named may be two", () => {
    const other = "https://other.example.test";
    expect(read(provenanceText(key, { subjects, builder: other }))).toMatchObject({
      envelopes: [{ signedBy: [BUILDER], builderId: other }],
    });
  });

  it.each([
    ["nothing", "", "there is nothing in it"],
    [
      "a bare statement",
      JSON.stringify({ _type: "https://in-toto.io/Statement/v1", subject: [] }),
      "it is no DSSE envelope",
    ],
    [
      "another payload",
      JSON.stringify({ ...(JSON.parse(good) as object), payloadType: "text/plain" }),
      'its envelope holds "text/plain"',
    ],
    [
      "no statement",
      JSON.stringify({ ...(JSON.parse(good) as object), payload: Buffer.from("{}").toString("base64") }),
      "holds no in-toto statement",
    ],
    [
      "a statement of names given twice",
      JSON.stringify({ ...(JSON.parse(good) as object), payload: Buffer.from('{"a":1,"a":2}').toString("base64") }),
      "is given twice",
    ],
    [
      "SLSA 1 that says nothing of the build",
      provenanceText(key, { subjects, definition: [] }),
      "has no predicate.buildDefinition",
    ],
    [
      "SLSA 1 of no kind of build",
      provenanceText(key, { subjects, definition: { externalParameters: {} } }),
      "has no predicate.buildDefinition.buildType",
    ],
    [
      "SLSA 1 without the parameters of the build",
      provenanceText(key, { subjects, definition: { buildType: "x" } }),
      "has no predicate.buildDefinition.externalParameters",
    ],
    ["more envelopes than are read", `${good}\n`.repeat(1_001), "more than 1000 envelopes"],
  ])("%s is none", (_, text, expected) => {
    const found = read(text);
    expect(found?.state === "INVALID" ? found.explanation : "read").toContain(expected);
  });
});
