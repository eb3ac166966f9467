// Orgs and the keys that principals call with. Not here: statements.
import { bigint, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { KeyId, OrgId } from "../../../domain/id.ts";
import { bytes, maestro } from "./maestro.ts";

export const orgs = maestro.table("orgs", {
  orgId: uuid("org_id").$type<OrgId>().primaryKey(),
  name: text("name").notNull(),
  createdMs: bigint("created_ms", { mode: "number" }).notNull(),
});

export const apiKeys = maestro.table(
  "api_keys",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    keyId: uuid("key_id").$type<KeyId>().notNull(),
    principal: text("principal").notNull(),
    /** SHA-256 of the secret; the secret itself is kept nowhere. */
    secretDigest: bytes("secret_digest").notNull(),
    grants: text("grants").array().notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    expiresMs: bigint("expires_ms", { mode: "number" }),
    revokedMs: bigint("revoked_ms", { mode: "number" }),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.keyId] })],
);
