// What artifacts that outcomes name are to the run of their plan. Not here: that they are written with the outcome.
import { describe, expect, test } from "vitest";
import { artifactUri } from "../../src/domain/artifact.ts";
import type { OrgId, PlanId } from "../../src/domain/id.ts";
import { kindOfNamed, runArtifactsOf } from "../../src/domain/named-artifact.ts";
import type { Artifact } from "../../src/domain/payload.ts";
import { anAttempt } from "../support/plan.ts";

const plan = { orgId: "org" as OrgId, planId: "plan" as PlanId };
const artifact = (over: Partial<Artifact>): Artifact => ({
  name: "app.tgz",
  uri: "https://example.test/app.tgz",
  digest: "",
  sizeBytes: 0,
  contentType: "",
  ...over,
});

describe("the kind", () => {
  test.each([
    ["application/vnd.cyclonedx+json", "x", "SBOM"],
    ["application/vnd.cyclonedx+xml; version=1.6", "x", "SBOM"],
    ["Application/SPDX+JSON", "x", "SBOM"],
    ["application/vnd.in-toto+json", "sbom.json", "SLSA_PROVENANCE"],
    ["", "sbom", "SBOM"],
    ["application/json", "dist/SBOM-linux.json", "SBOM"],
    ["", "bom.xml", "SBOM"],
    ["", "app.cdx.json", "SBOM"],
    ["", "app.spdx.json", "SBOM"],
    ["", "app.intoto.jsonl", "SLSA_PROVENANCE"],
    ["", "app.intoto.json", "SLSA_PROVENANCE"],
    ["", "slsa-provenance.json", "SLSA_PROVENANCE"],
    ["", "risk_assessment.md", "RISK_ASSESSMENT"],
    ["", "risk-assessment.pdf", "RISK_ASSESSMENT"],
    ["", "test_report.xml", "TEST_REPORT"],
    ["", "junit.xml", "TEST_REPORT"],
    ["", "build_log.txt", "BUILD_LOG"],
    ["text/plain", "out/compile.log", "BUILD_LOG"],
    ["application/gzip", "app.tgz", "OTHER"],
    ["", "sbom/app.tgz", "OTHER"],
    ["", "", "OTHER"],
  ])("of %j named %j is %s", (contentType, name, kind) => {
    expect(kindOfNamed({ contentType, name })).toBe(kind);
  });
});

const one = (over: Partial<Artifact>) => {
  const attempt = anAttempt(plan.planId, 3, 7, { artifacts: [artifact(over)], endedMs: 9 });
  return runArtifactsOf(plan, "build", attempt, "worker", () => "id")[0];
};

test("an artifact speaks for its own kind only, and says where it comes from", () => {
  const digest = `sha256:${"a".repeat(64)}`;
  expect(one({ name: "sbom.cdx.json", digest, sizeBytes: 5, contentType: "application/json" })).toEqual({
    orgId: "org",
    artifactId: "id",
    runId: "plan",
    kind: "SBOM",
    uri: "https://example.test/app.tgz",
    contentHash: digest,
    flags: { sbomPresent: true, slsaProvenancePresent: false, riskAssessmentPresent: false },
    additional: '{"name":"sbom.cdx.json","content_type":"application/json","size_bytes":5}',
    createdMs: 9,
    createdBy: "worker",
    origin: { step: "build", ordinal: 3, fencing: 7 },
  });
});

test("the hash is the digest that is said, or the one in the address of kept content; a digest of no known form is kept aside", () => {
  const digest = `sha256:${"b".repeat(64)}`;
  expect(one({ uri: artifactUri(digest) })).toMatchObject({ contentHash: digest, additional: '{"name":"app.tgz"}' });
  expect(one({ digest: "sha512:00", uri: artifactUri(digest) })).toMatchObject({ contentHash: "sha512:00" });
  expect(one({ digest: "abc" })).toMatchObject({ contentHash: "", additional: '{"name":"app.tgz","digest":"abc"}' });
  expect(one({})).toMatchObject({ contentHash: "" });
});

test.each([{ state: "FAILED" }, { state: "LOST" }, { undoing: true }] as const)(
  "an attempt with %j names none",
  (parts) => {
    const attempt = anAttempt(plan.planId, 1, 1, { artifacts: [artifact({})], ...parts });
    expect(runArtifactsOf(plan, "a", attempt, "worker", () => "id")).toEqual([]);
  },
);
