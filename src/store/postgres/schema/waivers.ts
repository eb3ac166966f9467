// Waivers of the gate's rules. Not here: statements.
import { bigint, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId, RunArtifactId, RunId, WaiverId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const waivers = maestro.table(
  "waivers",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    waiverId: uuid("waiver_id").$type<WaiverId>().notNull(),
    runId: uuid("run_id").$type<RunId>().notNull(),
    rule: text("rule").notNull(),
    /** Null for all artifacts of the run. */
    artifactId: uuid("artifact_id").$type<RunArtifactId>(),
    reason: text("reason").notNull(),
    grantedBy: text("granted_by").notNull(),
    grantedMs: bigint("granted_ms", { mode: "number" }).notNull(),
    expiresMs: bigint("expires_ms", { mode: "number" }).notNull(),
    revokedMs: bigint("revoked_ms", { mode: "number" }),
    revokedBy: text("revoked_by"),
    /** JSON text of the envelope that was signed: it, not the columns, is what counts. */
    envelope: text("envelope").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.waiverId] })],
);
