// What the server asks of the store without an org: orgs, keys, sessions. Each call is a transaction of its own that may read
// the platform's tables. Not here: standing looks (looks.ts) and scans (scans.ts), and what happens inside orgs, see the repositories.
import { asc, eq } from "drizzle-orm";
import type { OrgId, SessionId } from "../../domain/id.ts";
import type { Org } from "../../domain/principal.ts";
import type { PlatformStore } from "../ports/platform.ts";
import { arrayLiteral } from "./columns.ts";
import { apiKeyOf } from "./identity.ts";
import { createLooks } from "./looks.ts";
import { apiKeys, orgs as orgTable } from "./schema/identity.ts";
import { createScans, ORGS_EACH } from "./scans.ts";
import type { Platform, Within } from "./scans.ts";
import { inTransaction } from "./transaction.ts";
import type { TransactionOptions } from "./transaction.ts";

/** Connections by what must not wait for what. */
export interface PlatformConnections {
  /** Shared with operations: what callers cause. */
  readonly operations: TransactionOptions;
  /** The server's session, which must be renewed whatever else goes on. */
  readonly session: TransactionOptions;
  /** Standing scans. */
  readonly scans: TransactionOptions;
}

export function createPlatformStore(connections: PlatformConnections): PlatformStore {
  const on =
    (options: TransactionOptions): Platform =>
    async (work) =>
      inTransaction(options, { orgs: [], platform: true }, work);
  const platform = on(connections.scans);
  const within: Within = async (orgs, work) =>
    inTransaction(connections.scans, { orgs: [...new Set(orgs)], readOnly: true }, work);

  return {
    ensureOrg: (org) =>
      platform(async ({ db }) => {
        await db
          .insert(orgTable)
          .values({ ...org })
          .onConflictDoNothing({ target: orgTable.name });
        const [row] = await db.select().from(orgTable).where(eq(orgTable.name, org.name));
        if (row === undefined) throw new Error("an org that was just made is gone");
        return row satisfies Org;
      }),
    orgs: () => platform(({ db }) => db.select().from(orgTable).orderBy(asc(orgTable.name))),
    findKey: (secretDigest) =>
      on(connections.operations)(async ({ db }) => {
        const [row] = await db.select().from(apiKeys).where(eq(apiKeys.secretDigest, secretDigest));
        return row === undefined ? undefined : apiKeyOf(row);
      }),
    ...sessions(on(connections.session)),
    ...createLooks(connections.session, connections.scans),
    forgetSession: async (sessionId) => {
      if (!(await isLapsed(platform, sessionId))) return;
      // Executors that were attached to it are attached to nothing; those that came back name another session.
      const orgs = await platform(({ run }) => run<{ org_id: string }>("SELECT org_id FROM maestro.orgs"));
      for (let i = 0; i < orgs.length; i += ORGS_EACH) {
        const some = orgs.slice(i, i + ORGS_EACH).map((raw) => raw.org_id as OrgId);
        await inTransaction(connections.scans, { orgs: some }, ({ run }) =>
          run("UPDATE maestro.executors SET session_id = NULL WHERE org_id = ANY($1::uuid[]) AND session_id = $2", [
            arrayLiteral("uuid", some),
            sessionId,
          ]),
        );
      }
      await platform(({ run }) => run("DELETE FROM maestro.server_sessions WHERE session_id = $1", [sessionId]));
    },
    ...createScans(platform, within, connections.scans),
  };
}

/** Sessions live by the database's clock, so that servers need not agree on the time. Their renewal is in looks.ts. */
function sessions(platform: Platform): Pick<PlatformStore, "openSession" | "endSession"> {
  return {
    openSession: async (sessionId, address, build, lifeMs) => {
      // In one statement with the row: an import holds both tables for itself.
      const [raw] = await platform(({ run }) =>
        run<{ expires_ms: number; now_ms: number; installation_id: string; store_epoch: number }>(
          "WITH opened AS (INSERT INTO maestro.server_sessions (session_id, address, build, started_ms, expires_ms) SELECT $1, $2, $3, t.ms, t.ms + $4 FROM maestro.clock_ms() AS t(ms) " +
            "RETURNING started_ms, expires_ms) SELECT o.expires_ms, o.started_ms AS now_ms, i.installation_id, i.store_epoch FROM opened o CROSS JOIN maestro.installation i",
          [sessionId, address, build, lifeMs],
        ),
      );
      if (raw === undefined) throw new Error("a session was not written");
      const installation = { installationId: raw.installation_id, storeEpoch: raw.store_epoch };
      return { expiresMs: raw.expires_ms, nowMs: raw.now_ms, installation };
    },
    endSession: async (sessionId) => {
      await platform(({ run }) =>
        run(
          "UPDATE maestro.server_sessions SET ended_ms = maestro.clock_ms() WHERE session_id = $1 AND ended_ms IS NULL",
          [sessionId],
        ),
      );
    },
  };
}

/** Whether the session has lapsed: it may have been renewed since it was listed. One that lapsed is never renewed. */
async function isLapsed(platform: Platform, sessionId: SessionId): Promise<boolean> {
  const rows = await platform(({ run }) =>
    run("SELECT 1 FROM maestro.server_sessions WHERE session_id = $1 AND expires_ms <= maestro.clock_ms()", [
      sessionId,
    ]),
  );
  return rows.length > 0;
}
