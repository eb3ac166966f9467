// Examples in the OpenAPI document: one body for each rpc that takes one. A test sends them.

/** Stands for a month after the document is served: a moment of ours would be over one day. */
export const IN_A_MONTH = "9000-01-01T00:00:00Z";

const EVIDENCE = { sbom_present: true, slsa_provenance_present: true, risk_assessment_present: true };

/** By the name of the rpc; ids are made up. */
export const EXAMPLES: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  CreateRun: {
    name: "Nightly build of the parser",
    owner: "builds@example.com",
    cost_estimate: 2.5,
    related_entity_ids: ["component-17"],
    metadata: { branch: "main" },
  },
  UpdateRun: { status: "succeeded", cost_actual: 2.25 },
  CreateArtifact: {
    run_id: "run_01jx0000000000000000000000",
    kind: "other",
    path_or_uri: "s3://builds/parser-1.4.0.tgz",
    content_hash: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    metadata_json: { ...EVIDENCE, additional_metadata: { size_bytes: 52_114 } },
  },
  CreateDisclosurePack: {
    run_id: "run_01jx0000000000000000000000",
    summary: "Parser 1.4.0 with its bill of materials, provenance and risk assessment",
    artifact_ids: ["art_01jx0000000000000000000000"],
    redactions: ["outcome.*"],
  },
  CreateWorkflow: {
    name: "Build and check",
    tasks: [
      { name: "build", agent_type: "builder" },
      { name: "check", agent_type: "tester" },
    ],
    dependencies: [{ task: "check", depends_on: "build" }],
  },
  GrantWaiver: {
    run_id: "run_01jx0000000000000000000000",
    rule: "provenance.signature",
    reason: "The builder's new key is not trusted yet; checked by hand.",
    expires_at: IN_A_MONTH,
  },
};
