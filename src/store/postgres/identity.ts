// Orgs and API keys, within a transaction's orgs. Not here: finding a key without its org, see platform.ts.
import { and, desc, eq, isNull, lt, or } from "drizzle-orm";
import type { KeyId } from "../../domain/id.ts";
import type { ApiKey } from "../../domain/principal.ts";
import type { IdentityRepository } from "../ports/identity.ts";
import { apiKeys, orgs } from "./schema/identity.ts";
import type { Session } from "./transaction.ts";

export function apiKeyOf(row: typeof apiKeys.$inferSelect): ApiKey {
  const { orgId, keyId, principal, grants, createdMs, expiresMs, revokedMs } = row;
  return { orgId, keyId, principal, grants, createdMs, expiresMs, revokedMs };
}

export function createIdentityRepository(session: Session): IdentityRepository {
  const { run } = session;
  return {
    findOrg: async (orgId) => {
      const [row] = await session.db.select().from(orgs).where(eq(orgs.orgId, orgId));
      return row;
    },
    addOrg: async (org) => {
      // A name may be taken by an org that this transaction does not see, and the new one is not among its orgs.
      const [, added] = await Promise.all([
        run("SELECT set_config('maestro.platform', 'on', true)"),
        run(
          "INSERT INTO maestro.orgs (org_id, name, created_ms) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING RETURNING org_id",
          [org.orgId, org.name, org.createdMs],
        ),
        run("SELECT set_config('maestro.platform', '', true)"),
        // The new org's first key belongs to the same transaction.
        run(
          "SELECT set_config('maestro.orgs', array_append(current_setting('maestro.orgs')::uuid[], $1::uuid)::text, true)",
          [org.orgId],
        ),
      ]);
      return added.length === 1;
    },
    addKey: async (key, secretDigest) => {
      await session.db.insert(apiKeys).values({ ...key, grants: [...key.grants], secretDigest });
    },
    findKey: async (orgId, keyId) => {
      const [row] = await session.db
        .select()
        .from(apiKeys)
        .where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.keyId, keyId)));
      return row === undefined ? undefined : apiKeyOf(row);
    },
    listKeys: async (orgId, page) => {
      const [ms, id] = (page.after ?? []) as [number?, KeyId?];
      const below =
        ms === undefined || id === undefined
          ? undefined
          : or(lt(apiKeys.createdMs, ms), and(eq(apiKeys.createdMs, ms), lt(apiKeys.keyId, id)));
      const rows = await session.db
        .select()
        .from(apiKeys)
        .where(and(eq(apiKeys.orgId, orgId), below))
        .orderBy(desc(apiKeys.createdMs), desc(apiKeys.keyId))
        .limit(page.limit);
      return rows.map(apiKeyOf);
    },
    revokeKey: async (orgId, keyId, atMs) => {
      await session.db
        .update(apiKeys)
        .set({ revokedMs: atMs })
        .where(and(eq(apiKeys.orgId, orgId), eq(apiKeys.keyId, keyId), isNull(apiKeys.revokedMs)));
    },
  };
}
