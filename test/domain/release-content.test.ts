// What the gate's rules make of content that many speak of: all that speak of it are looked at, in a time that grows with them alone. Not
// here: the rules one by one.
import { expect, it } from "vitest";
import { byContent } from "../../src/domain/release/evidence.ts";
import { judge } from "../../src/domain/release/judge.ts";
import { aPiece, BUILDER, factsOf, sha256Of } from "../support/gate.ts";
import type { Piece } from "../support/gate.ts";

it("a statement that contradicts another's is no reason against what the other says", () => {
  const sha256 = sha256Of("bundle");
  const digests = { sha256, sha512: "0".repeat(128) };
  const bundle = aPiece("OTHER", "bundle", { content: { state: "READ", sizeBytes: 6, digests } });
  const provenance = aPiece("SLSA_PROVENANCE", "statements", {
    provenance: {
      state: "READ",
      envelopes: [
        {
          signedBy: [BUILDER],
          builderId: BUILDER,
          predicateType: "https://slsa.dev/provenance/v1",
          subjects: [
            { name: "another of that digest", digests: { sha256, sha512: "1".repeat(128) } },
            { name: "bundle.tgz", digests: { sha256 } },
          ],
        },
      ],
    },
  });
  const verdict = judge(factsOf([bundle, provenance])).verdicts.find(({ rule }) => rule === "provenance.subject");
  expect(verdict).toMatchObject({ state: "PASSED", evidence: { subject: "bundle.tgz" } });
});

it("an SBOM of 30,000 subjects is held against as many artifacts without comparing each with each", () => {
  const names = Array.from({ length: 30_000 }, (_, i) => `content ${String(i)}`);
  const bundles = names.map((name) => aPiece("OTHER", name));
  const subjects = names.map((name) => ({ name, version: "1", purl: "", digests: { sha256: sha256Of(name) } }));
  const sbomOf = (more: typeof subjects): Piece =>
    aPiece("SBOM", "an SBOM", {
      sbom: { state: "VALID", format: "SPDX", components: 1, explicitlyNone: false, subjects: [...subjects, ...more] },
    });
  const verdictOf = (sbom: Piece) =>
    judge(factsOf([...bundles, sbom])).verdicts.find(({ rule }) => rule === "sbom.subject");
  expect(verdictOf(sbomOf([]))).toMatchObject({ state: "PASSED" });
  const stranger = { name: "stranger", version: "1", purl: "", digests: { sha256: sha256Of("stranger") } };
  expect(verdictOf(sbomOf([stranger]))).toMatchObject({ state: "FAILED", evidence: { name: "stranger" } });
}, 20_000);

it("content is found by any of its digests, and not where one of them disagrees", () => {
  const a = { name: "a", digests: { sha256: "1", sha512: "2" } };
  const b = { name: "b", digests: { sha256: "1", sha512: "3" } };
  const find = byContent([a, b]);
  expect(find({ sha256: "1" })).toBe(a);
  expect(find({ sha512: "3" })).toBe(b);
  expect(find({ sha256: "1", sha512: "3" })).toBe(b);
  expect(find({ sha256: "1", sha512: "4" })).toBeUndefined();
  expect(find({})).toBeUndefined();
});
