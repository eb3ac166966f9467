// Disclosure packs. Not here: statements.
import { bigint, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId, PackId, RunId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const disclosurePacks = maestro.table(
  "disclosure_packs",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    packId: uuid("pack_id").$type<PackId>().notNull(),
    runId: uuid("run_id").$type<RunId>().notNull(),
    summary: text("summary").notNull(),
    /** JSON text of an array of ids, in the order given. */
    artifactIds: text("artifact_ids").notNull(),
    /** JSON text of an array of patterns of kinds of records. */
    redactions: text("redactions").notNull(),
    /** Of what it says; a run has each once. */
    digest: text("digest").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    createdBy: text("created_by").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.packId] })],
);
