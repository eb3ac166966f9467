// Charters, one row per revision. Not here: statements.
import { bigint, boolean, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { CharterId, OrgId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const charters = maestro.table(
  "charters",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    charterId: uuid("charter_id").$type<CharterId>().notNull(),
    revision: integer("revision").notNull(),
    name: text("name").notNull(),
    /** JSON text of the terms; their RFC 8785 form has this digest. */
    terms: text("terms").notNull(),
    digest: text("digest").notNull(),
    declaredMs: bigint("declared_ms", { mode: "number" }).notNull(),
    declaredBy: text("declared_by").notNull(),
    /** True for one revision of a name. */
    newest: boolean("newest").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.charterId, t.revision] })],
);
