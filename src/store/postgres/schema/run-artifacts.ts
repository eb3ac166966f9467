// Artifacts of runs. Not here: statements, nor content that is kept here (artifacts.ts).
import { bigint, boolean, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId, RunArtifactId, RunId } from "../../../domain/id.ts";
import type { RunArtifactKind } from "../../../domain/run-artifact.ts";
import { maestro } from "./maestro.ts";

export const runArtifacts = maestro.table(
  "run_artifacts",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    artifactId: uuid("artifact_id").$type<RunArtifactId>().notNull(),
    runId: uuid("run_id").$type<RunId>().notNull(),
    kind: text("kind").$type<RunArtifactKind>().notNull(),
    uri: text("uri").notNull(),
    /** `algorithm:text`; empty for none. */
    contentHash: text("content_hash").notNull(),
    sbomPresent: boolean("sbom_present").notNull(),
    slsaProvenancePresent: boolean("slsa_provenance_present").notNull(),
    riskAssessmentPresent: boolean("risk_assessment_present").notNull(),
    /** JSON text of an object. */
    additional: text("additional").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    createdBy: text("created_by").notNull(),
    /** Key of the step whose outcome named it; null, like the next two, for one that was made known by a call. */
    step: text("step"),
    ordinal: integer("ordinal"),
    fencing: bigint("fencing", { mode: "number" }),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.artifactId] })],
);
