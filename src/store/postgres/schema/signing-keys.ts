// Keys that orgs sign with. Not here: statements.
import { bigint, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { OrgId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const signingKeys = maestro.table(
  "signing_keys",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    /** `sha256:` of the public half (SPKI, DER). */
    keyId: text("key_id").notNull(),
    publicPem: text("public_pem").notNull(),
    /** PKCS #8. */
    privatePem: text("private_pem").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.keyId] })],
);
