// The release gate's rules, one fact changed at a time: flags and their words, and what the verified mode makes of evidence. Not here:
// how evidence is read.
import { describe, expect, it } from "vitest";
import { NO_RELEASE_POLICY } from "../../src/domain/charter.ts";
import { complianceReport } from "../../src/domain/release/compliance.ts";
import { declaredDigest } from "../../src/domain/release/evidence.ts";
import type { GateFacts } from "../../src/domain/release/gate.ts";
import { judge } from "../../src/domain/release/judge.ts";
import { RULES } from "../../src/domain/release/rules.ts";
import type { RuleId } from "../../src/domain/release/rules.ts";
import type { StepState } from "../../src/domain/step.ts";
import {
  aPiece,
  ALL_FLAGS,
  factsOf,
  goodPieces,
  NO_FLAGS,
  ORG,
  sha256Of,
  someFacts,
  someGovernance,
} from "../support/gate.ts";
import type { Piece } from "../support/gate.ts";
import { aRunArtifact, aToldRun, aWaiver } from "../support/runs.ts";

describe("flags", () => {
  const run = aToldRun(ORG, { status: "SUCCEEDED" });
  const bundle = aRunArtifact(ORG, run.runId, { kind: "OTHER", flags: ALL_FLAGS });

  it("pass a run that succeeded with an artifact that has all three", () => {
    expect(judge(someFacts({ run, artifacts: [bundle] }))).toMatchObject({
      runId: run.runId,
      passed: true,
      message: "Release gate passed: 1 compliant artifact(s) found",
      details: {
        totalArtifacts: 1,
        compliantArtifacts: 1,
        compliantArtifactIds: [bundle.artifactId],
        currentStatus: null,
        failedRules: [],
      },
      mode: "FLAGS",
      verdicts: [
        { rule: "run.succeeded", state: "PASSED" },
        { rule: "artifacts.present", state: "PASSED" },
        { rule: "artifacts.compliant", state: "PASSED" },
      ],
    });
  });

  it("say which requirement failed, the run's status first", () => {
    const pending = judge(someFacts({ run: { ...run, status: "PENDING" }, artifacts: [bundle] }));
    expect(pending).toMatchObject({
      passed: false,
      message: "Release gate failed: run status is 'pending', must be 'succeeded'",
      details: { currentStatus: "PENDING", requiredStatus: "SUCCEEDED", failedRules: ["run.succeeded"] },
    });
    expect(judge(someFacts({ run })).message).toBe("Release gate failed: no artifacts found");
    const halves = [
      { ...bundle, flags: { ...NO_FLAGS, sbomPresent: true } },
      { ...bundle, flags: { ...NO_FLAGS, slsaProvenancePresent: true } },
    ];
    expect(judge(someFacts({ run, artifacts: halves })).message).toBe(
      "Release gate failed: no artifact has SBOM, SLSA provenance and risk assessment (missing: risk_assessment_present)",
    );
  });

  it("are lifted by a waiver of their rule, of the run's state never", () => {
    const waiver = aWaiver(ORG, run.runId, { rule: "artifacts.compliant", artifactId: null });
    const artifacts = [{ ...bundle, flags: NO_FLAGS }];
    const judged = judge(someFacts({ run, artifacts, waivers: [waiver] }));
    expect(judged.message).toBe("Release gate passed: 0 compliant artifact(s) found, 1 rule(s) waived");
    expect(judged.verdicts[2]).toMatchObject({ state: "WAIVED", waiverId: waiver.waiverId });
    const failed = { ...run, status: "FAILED" as const };
    const never = { ...waiver, rule: "run.succeeded" };
    expect(judge(someFacts({ run: failed, artifacts: [bundle], waivers: [never] })).passed).toBe(false);
  });

  it("are told artifact by artifact in the compliance report", () => {
    const bare = aRunArtifact(ORG, run.runId, { kind: "SBOM", flags: NO_FLAGS });
    const facts = someFacts({ run, artifacts: [bundle, bare] });
    expect(complianceReport(run, facts.artifacts, judge(facts))).toMatchObject({
      runId: run.runId,
      releaseGatePassed: true,
      releaseGateMessage: "Release gate passed: 1 compliant artifact(s) found",
      artifacts: [
        { artifactId: bundle.artifactId, compliant: true },
        { artifactId: bare.artifactId, compliant: false },
      ],
      totalArtifacts: 2,
      compliantArtifacts: 1,
    });
  });
});

describe("a gate step", () => {
  const judgeStep = (...states: readonly StepState[]) =>
    judge(
      someFacts({
        run: aToldRun(ORG, { status: "RUNNING" }),
        scope: { kind: "STEP", before: states.map((state, i) => ({ key: `s${String(i)}`, state })) },
        artifacts: [aRunArtifact(ORG, aToldRun(ORG).runId, { flags: ALL_FLAGS })],
      }),
    );
  it("asks for what it depends on, not for the end of the run it is part of", () => {
    expect(judgeStep("SUCCEEDED", "SKIPPED").passed).toBe(true);
    expect(judgeStep("SUCCEEDED", "FAILED")).toMatchObject({
      passed: false,
      message: "Release gate failed: step 's1' is 'failed', must be 'succeeded'",
      details: { currentStatus: null },
    });
    expect(judgeStep("COMPENSATED").passed).toBe(false);
  });
});

describe("the verified mode", () => {
  const good = goodPieces();
  const states = (facts: GateFacts): Readonly<Record<string, string>> =>
    Object.fromEntries(judge(facts).verdicts.map(({ rule, state }) => [rule, state]));
  const failedRules = (facts: GateFacts): readonly RuleId[] => judge(facts).details.failedRules;
  const withPiece = (name: keyof typeof good, piece: Piece | null): GateFacts =>
    factsOf(Object.entries(good).flatMap(([key, each]) => (key !== name ? [each] : piece === null ? [] : [piece])));
  const changed = (name: keyof typeof good, change: (piece: Piece) => Piece): GateFacts =>
    withPiece(name, change(good[name]));

  it("passes what is as it should be, and gives a verdict for every rule of its own", () => {
    const judged = judge(factsOf(Object.values(good)));
    expect(judged.verdicts.filter(({ state }) => state === "FAILED")).toEqual([]);
    expect(judged.message).toBe("Release gate passed: 11 rule(s) verified");
    const told = new Set(judged.verdicts.map(({ rule }) => rule));
    expect(RULES.filter((rule) => rule !== "artifacts.compliant" && !told.has(rule))).toEqual([]);
  });

  it("believes no flags", () => {
    const claims = [aRunArtifact(ORG, aToldRun(ORG).runId, { kind: "OTHER", flags: ALL_FLAGS })];
    expect(failedRules(factsOf([], { artifacts: claims }))).toEqual([
      "content.hash",
      "sbom.present",
      "provenance.present",
      "provenance.subject",
      "risk.present",
    ]);
  });

  const missing = { state: "MISSING", problem: "UNREACHABLE", explanation: "its host cannot be reached" } as const;
  const cases: readonly (readonly [string, GateFacts, readonly RuleId[]])[] = [
    ["an SBOM that is not there", withPiece("sbom", null), ["sbom.present"]],
    [
      "an SBOM that cannot be fetched",
      changed("sbom", ({ artifact, finding }) => ({ artifact, finding: { ...finding, content: missing, sbom: null } })),
      ["content.hash", "sbom.valid", "sbom.subject"],
    ],
    [
      "an SBOM that is none",
      changed("sbom", ({ artifact, finding }) => ({
        artifact,
        finding: { ...finding, sbom: { state: "INVALID", explanation: "it is not JSON" } },
      })),
      ["sbom.valid", "sbom.subject"],
    ],
    [
      "an SBOM without components that does not say so",
      changed("sbom", ({ artifact, finding }) => ({
        artifact,
        finding: {
          ...finding,
          sbom: { state: "VALID", format: "x", components: 0, explicitlyNone: false, subjects: [] },
        },
      })),
      ["sbom.valid"],
    ],
    [
      "an SBOM of something else",
      changed("sbom", ({ artifact, finding }) => ({
        artifact,
        finding: {
          ...finding,
          sbom: {
            state: "VALID",
            format: "x",
            components: 1,
            explicitlyNone: false,
            subjects: [{ name: "b", version: "", purl: "", digests: { "SHA-256": sha256Of("another") } }],
          },
        },
      })),
      ["sbom.subject"],
    ],
    [
      "an SBOM whose purl names the digest of something else",
      changed("sbom", ({ artifact, finding }) => ({
        artifact,
        finding: {
          ...finding,
          sbom: {
            state: "VALID",
            format: "x",
            components: 1,
            explicitlyNone: false,
            subjects: [
              { name: "b", version: "", purl: `pkg:generic/b@1?checksum=sha256:${sha256Of("x")}`, digests: {} },
            ],
          },
        },
      })),
      ["sbom.subject"],
    ],
    ["provenance that is not there", withPiece("provenance", null), ["provenance.present", "provenance.subject"]],
    [
      "provenance that nobody trusted signed",
      envelope({ signedBy: [] }),
      ["provenance.signature", "provenance.builder", "provenance.subject"],
    ],
    [
      "provenance of one builder that another signed",
      envelope({ signedBy: ["https://other.example.test"] }),
      ["provenance.builder", "provenance.subject"],
    ],
    [
      "provenance of another subject",
      envelope({ subjects: [{ name: "b", digests: { sha256: sha256Of("b") } }] }),
      ["provenance.subject"],
    ],
    [
      "provenance that names a weak digest only",
      envelope({ subjects: [{ name: "b", digests: { sha1: "a".repeat(40), md5: "b".repeat(32) } }] }),
      ["provenance.subject"],
    ],
    ["a risk assessment that is not there", withPiece("risk", null), ["risk.present"]],
    [
      "an empty risk assessment",
      changed("risk", (one) => ({ ...one, finding: { ...one.finding, blank: true } })),
      ["risk.present"],
    ],
    [
      "content that is not what its digest names",
      changed("risk", ({ artifact, finding }) => ({
        artifact: { ...artifact, contentHash: `sha256:${sha256Of("another")}` },
        finding,
      })),
      ["content.hash", "risk.present"],
    ],
    ["nothing that is released", withPiece("bundle", null), ["sbom.subject", "provenance.subject"]],
    [
      "approvals of nobody",
      factsOf(Object.values(good), { policy: { ...factsOf([]).policy, minApprovals: 1 } }),
      ["governance.approvals"],
    ],
    ["a step that stands refused", governed({ refusedSteps: ["build"] }), ["governance.refusals"]],
    [
      "a budget that was overrun",
      governed({ overrun: { tokens: 1, moneyMicros: 0, wallMs: 0, energyMillijoules: 0 } }),
      ["governance.budget"],
    ],
    [
      "an approval of the maker's own",
      governed({ approvals: [{ subject: "COMMIT", step: "", state: "APPROVED", decidedBy: "alice" }] }, 1),
      ["governance.approvals"],
    ],
    [
      "one approver twice, where two are asked for",
      governed(
        {
          approvals: [
            { subject: "COMMIT", step: "", state: "APPROVED", decidedBy: "bob" },
            { subject: "STEP", step: "a", state: "APPROVED", decidedBy: "bob" },
          ],
        },
        2,
      ),
      ["governance.approvals"],
    ],
    [
      "an answer to a failure in place of an approval",
      governed({ approvals: [{ subject: "FAILURE", step: "a", state: "APPROVED", decidedBy: "bob" }] }, 1),
      ["governance.approvals"],
    ],
    [
      "an open question about a failure",
      governed({ approvals: [{ subject: "FAILURE", step: "a", state: "PENDING", decidedBy: null }] }),
      ["governance.refusals"],
    ],
    [
      "a step that somebody rejected",
      governed({ approvals: [{ subject: "STEP", step: "a", state: "REJECTED", decidedBy: "bob" }] }),
      ["governance.approvals"],
    ],
  ];
  function envelope(change: Partial<ReturnType<typeof firstEnvelope>>): GateFacts {
    return changed("provenance", ({ artifact, finding }) => ({
      artifact,
      finding: { ...finding, provenance: { state: "READ", envelopes: [{ ...firstEnvelope(), ...change }] } },
    }));
  }
  function firstEnvelope() {
    const { provenance } = good.provenance.finding;
    const [first] = provenance?.state === "READ" ? provenance.envelopes : [];
    if (first === undefined) throw new Error("no envelope");
    return first;
  }
  function governed(fields: Parameters<typeof someGovernance>[0], minApprovals = 0): GateFacts {
    const facts = factsOf(Object.values(good));
    return { ...facts, governance: someGovernance(fields), policy: { ...facts.policy, minApprovals } };
  }
  it.each(cases)("fails %s, for that and nothing else", (_, facts, rules) => {
    expect(failedRules(facts)).toEqual(rules);
    expect(judge(facts).passed).toBe(false);
  });

  it("lets content be that nobody can fetch, unless the policy asks for it", () => {
    const facts = changed("bundle", ({ artifact, finding }) => ({
      artifact,
      finding: { ...finding, content: missing },
    }));
    expect(judge(facts).passed).toBe(true);
    expect(judge(facts).verdicts.find(({ rule }) => rule === "content.hash")).toMatchObject({
      state: "NOT_APPLICABLE",
      explanation: "its content cannot be read: its host cannot be reached",
    });
    expect(failedRules({ ...facts, policy: { ...facts.policy, requireContent: true } })).toEqual(["content.hash"]);
  });

  it("passes two approvers where two are asked for, and names them", () => {
    const facts = governed(
      {
        approvals: [
          { subject: "COMMIT", step: "", state: "APPROVED", decidedBy: "bob" },
          { subject: "STEP", step: "a", state: "APPROVED", decidedBy: "carol" },
        ],
      },
      2,
    );
    expect(judge(facts).verdicts.find(({ rule }) => rule === "governance.approvals")).toMatchObject({
      state: "PASSED",
      evidence: { approvers: "bob,carol" },
    });
  });

  it("says what helps where a maker's answer used up the only question", () => {
    const facts = governed({ approvals: [{ subject: "STEP", step: "a", state: "APPROVED", decidedBy: "alice" }] }, 1);
    expect(judge(facts).verdicts.find(({ rule }) => rule === "governance.approvals")).toMatchObject({
      state: "FAILED",
      explanation: expect.stringMatching(/0 other\(s\) .*; a waiver of this rule helps, or a re-plan/) as string,
    });
  });

  it("says nothing of governance where there is no plan", () => {
    expect(states(factsOf(Object.values(good)))).toMatchObject({
      "governance.approvals": "NOT_APPLICABLE",
      "governance.refusals": "NOT_APPLICABLE",
      "governance.budget": "NOT_APPLICABLE",
    });
  });

  it("waives one artifact by its waiver, and others of the rule only by one for all", () => {
    const bad = [aPiece("RISK_ASSESSMENT", " ", { blank: true }), aPiece("RISK_ASSESSMENT", "  ", { blank: true })];
    const facts = factsOf([...Object.values(good), ...bad]);
    const one = aWaiver(ORG, facts.run.runId, {
      rule: "risk.present",
      artifactId: bad[0]?.artifact.artifactId ?? null,
    });
    expect(failedRules({ ...facts, waivers: [one] })).toEqual(["risk.present"]);
    const judged = judge({ ...facts, waivers: [one, { ...one, artifactId: null }] });
    expect(judged).toMatchObject({
      passed: true,
      message: "Release gate passed: 10 rule(s) verified, 1 rule(s) waived",
    });
  });

  it("takes a builder at its word only under a policy that trusts it", () => {
    const facts = factsOf(Object.values(good), { policy: { ...NO_RELEASE_POLICY, mode: "VERIFIED" } });
    expect(judge(facts).verdicts.find(({ rule }) => rule === "provenance.signature")).toMatchObject({
      state: "FAILED",
      explanation: "the charter's release policy trusts no builder",
    });
  });
});

describe("a digest counts", () => {
  it.each([
    [`sha256:${"a".repeat(64)}`, true],
    [`SHA-512:${"A".repeat(128)}`, true],
    [`sha384:${"0".repeat(96)}`, true],
    ["sha256:a1b2c3d4...", false],
    [`sha256:${"a".repeat(63)}`, false],
    [`sha256:${"g".repeat(64)}`, false],
    [`sha1:${"a".repeat(40)}`, false],
    [`md5:${"a".repeat(32)}`, false],
    [`constructor:${"a".repeat(64)}`, false],
    ["a".repeat(64), false],
    ["", false],
  ])("of %s: %s", (text, ok) => {
    expect(declaredDigest(text).ok).toBe(ok);
  });
});
