// What is found of digests in bills of materials of every form. Not here: the rest of them, see evidence-read.test.ts.
import { expect, it } from "vitest";
import { examine } from "../../src/neighbours/evidence/examine.ts";
import { cycloneDx, sha256Of } from "../support/gate.ts";
import { cycloneDxXml, spdx2, spdx3 } from "./documents.ts";

function problem(document: string | object): string {
  const bytes = new TextEncoder().encode(typeof document === "string" ? document : JSON.stringify(document));
  const { sbom } = examine({ kind: "SBOM", bytes, algorithms: ["sha256"], builders: [] });
  return sbom?.state === "INVALID" ? sbom.explanation : "valid";
}
const [one, other] = [sha256Of("x"), sha256Of("y")];
const CONTRADICTION = /^what it describes has two digests of "sha-?256"$/i;

function json(hashes: readonly (readonly [string, string])[], purl = "pkg:npm/bundle@1.0.0"): object {
  const told = hashes.map(([alg, content]) => ({ alg, content }));
  return cycloneDx(1, {
    metadata: { component: { type: "application", name: "bundle", version: "1", purl, hashes: told } },
  });
}

/** With more digests of what it describes, and of what is in it. */
function xml(ofSubject: string, ofComponent = ""): string {
  return cycloneDxXml()
    .replace("</hashes>", `${ofSubject}</hashes>`)
    .replace("<![CDATA[1.0]]></version>", `1.0</version>${ofComponent}`);
}

function inSpdx2(checksums: readonly { readonly algorithm: string; readonly checksumValue: string }[]): object {
  const document = spdx2();
  const [bundle, ...packages] = document["packages"] as readonly object[];
  return { ...document, packages: [{ ...bundle, checksums }, ...packages] };
}

function inSpdx3(...values: readonly string[]): object {
  const document = spdx3();
  const graph = document["@graph"] as readonly { readonly name?: string }[];
  const verifiedUsing = values.map((hashValue) => ({ type: "Hash", algorithm: "sha256", hashValue }));
  return { ...document, "@graph": graph.map((it) => (it.name === "bundle" ? { ...it, verifiedUsing } : it)) };
}

it("what is described by two digests of one algorithm is described by none, in whatever order they come", () => {
  const purl = `pkg:npm/bundle@1.0.0?checksum=sha256:${other}`;
  for (const [first, second] of [
    [one, other],
    [other, one],
  ] as const) {
    expect(
      problem(
        json([
          ["SHA-256", first],
          ["SHA-256", second],
        ]),
      ),
    ).toMatch(CONTRADICTION);
    expect(problem(inSpdx3(first, second))).toMatch(CONTRADICTION);
    const sums = [first, second].map((checksumValue) => ({ algorithm: "SHA256", checksumValue }));
    expect(problem(inSpdx2(sums))).toMatch(CONTRADICTION);
  }
  expect(problem(xml(`<hash alg="SHA-256">${other}</hash>`))).toMatch(CONTRADICTION);
  expect(problem(json([["SHA-256", one]], purl))).toMatch(CONTRADICTION);
});

it("the same digest twice, in letters of either size, is one, and other algorithms contradict nothing", () => {
  const upper = one.toUpperCase();
  const purl = `pkg:npm/bundle@1.0.0?checksum=sha256:${upper}`;
  expect(
    problem(
      json(
        [
          ["SHA-256", one],
          ["SHA-256", upper],
          ["SHA-384", "a".repeat(96)],
        ],
        purl,
      ),
    ),
  ).toBe("valid");
  expect(problem(xml(`<hash alg="SHA-256">${upper}</hash><hash alg="MD5">${"a".repeat(32)}</hash>`))).toBe("valid");
  expect(problem(inSpdx3(one, upper))).toBe("valid");
});

it("what can be no digest makes a bill of materials none", () => {
  expect(problem(xml('<hash alg="SHA-384">zz</hash>'))).toBe('"zz" is no digest of "SHA-384"');
  expect(problem(xml("", '<hashes><hash alg="MD5">zz</hash></hashes>'))).toBe('"zz" is no digest of "MD5"');
  expect(problem(xml(`<hash>${one}</hash>`))).toMatch(/is no digest of ""$/);
  expect(problem(json([["SHA-256", "a".repeat(32)]]))).toMatch(/is no digest of "SHA-256"$/);
  expect(problem(json([["SHA-256", one]], "pkg:npm/bundle@1.0.0?checksum=sha256:zz"))).toBe(
    '"zz" is no digest of "sha256"',
  );
  expect(problem(inSpdx2([{ algorithm: "SHA256", checksumValue: "abc" }]))).toBe('"abc" is no digest of "SHA256"');
  expect(problem(inSpdx3("zz"))).toBe('"zz" is no digest of "sha256"');
});
