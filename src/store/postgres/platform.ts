// What the server asks of the store without an org. Each call is a transaction of its own that may read the platform's tables.
// Not here: what happens inside orgs, see the repositories.
import { and, asc, eq, gte, isNotNull } from "drizzle-orm";
import type { DemandId, OrgId, PlanId, ReadyStep, SessionId } from "../../domain/id.ts";
import type { Org } from "../../domain/principal.ts";
import type { PlatformStore, SessionInfo } from "../ports/platform.ts";
import { arrayLiteral } from "./columns.ts";
import { apiKeyOf } from "./identity.ts";
import { apiKeys, orgs as orgTable } from "./schema/identity.ts";
import { installation } from "./schema/installation.ts";
import { timers } from "./schema/steps.ts";
import { inTransaction } from "./transaction.ts";
import type { Session, TransactionOptions } from "./transaction.ts";

interface RawReady {
  readonly org_id: string;
  readonly demand_id: string;
  readonly order_key: number;
  readonly plan_id: string;
  readonly ordinal: number;
}

/** Index: steps_ready, one descent per demand class. Exported so that the plan can be looked at. */
export const READY_STEPS =
  "SELECT d.org_id, d.demand_id, s.order_key, s.plan_id, s.ordinal FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS d(org_id, demand_id, after_key) " +
  "CROSS JOIN LATERAL (SELECT r.order_key, r.plan_id, r.ordinal FROM maestro.steps r WHERE r.org_id = d.org_id AND r.demand_id = d.demand_id " +
  "AND r.order_key IS NOT NULL AND r.order_key > d.after_key ORDER BY r.order_key LIMIT $4) s";

/** Comes before every order key. */
const FIRST_KEY = "-9223372036854775808";

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
    installation: () =>
      on(connections.session)(async ({ db }) => {
        const [row] = await db.select().from(installation);
        if (row === undefined) throw new Error("the installation has no row");
        return { installationId: row.installationId, storeEpoch: row.storeEpoch };
      }),
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
    keysRevokedSince: (ms) =>
      platform(async ({ db }) => {
        const rows = await db
          .select({ keyId: apiKeys.keyId })
          .from(apiKeys)
          .where(and(isNotNull(apiKeys.revokedMs), gte(apiKeys.revokedMs, ms)));
        return rows.map(({ keyId }) => keyId);
      }),
    ...sessions(on(connections.session), platform),
    ...scans(platform, within),
  };
}

type Platform = <T>(work: (session: Session) => Promise<T>) => Promise<T>;

/** Sessions live by the database's clock, so that servers need not agree on the time. */
function sessions(
  platform: Platform,
  scans: Platform,
): Pick<PlatformStore, "openSession" | "renewSession" | "endSession" | "lapsedSessions" | "forgetSession"> {
  const info = (sessionId: SessionId, rows: readonly { readonly expires_ms: number }[]): SessionInfo | undefined =>
    rows[0] === undefined ? undefined : { sessionId, expiresMs: rows[0].expires_ms };
  return {
    openSession: async (sessionId, address, build, lifeMs) => {
      const rows = await platform(({ run }) =>
        run<{ expires_ms: number }>(
          "INSERT INTO maestro.server_sessions (session_id, address, build, started_ms, expires_ms) SELECT $1, $2, $3, t.ms, t.ms + $4 FROM maestro.clock_ms() AS t(ms) RETURNING expires_ms",
          [sessionId, address, build, lifeMs],
        ),
      );
      const opened = info(sessionId, rows);
      if (opened === undefined) throw new Error("a session was not written");
      return opened;
    },
    renewSession: async (sessionId, lifeMs) => {
      const rows = await platform(({ run }) =>
        run<{ expires_ms: number }>(
          "UPDATE maestro.server_sessions SET expires_ms = t.ms + $2 FROM maestro.clock_ms() AS t(ms) WHERE session_id = $1 AND ended_ms IS NULL AND expires_ms > t.ms RETURNING expires_ms",
          [sessionId, lifeMs],
        ),
      );
      return info(sessionId, rows);
    },
    endSession: async (sessionId) => {
      await platform(({ run }) =>
        run(
          "UPDATE maestro.server_sessions SET ended_ms = maestro.clock_ms() WHERE session_id = $1 AND ended_ms IS NULL",
          [sessionId],
        ),
      );
    },
    lapsedSessions: async () => {
      const rows = await scans(({ run }) =>
        run<{ session_id: string }>(
          "SELECT session_id FROM maestro.server_sessions WHERE ended_ms IS NOT NULL OR expires_ms <= maestro.clock_ms() ORDER BY expires_ms",
        ),
      );
      return rows.map((row) => row.session_id as SessionId);
    },
    forgetSession: async (sessionId) => {
      // Only a session that cannot come back: it may have been renewed since it was listed.
      await scans(({ run }) =>
        run(
          "DELETE FROM maestro.server_sessions WHERE session_id = $1 AND (ended_ms IS NOT NULL OR expires_ms <= maestro.clock_ms())",
          [sessionId],
        ),
      );
    },
  };
}

type Within = <T>(orgs: readonly OrgId[], work: (session: Session) => Promise<T>) => Promise<T>;

interface RawPlanRef {
  readonly org_id: string;
  readonly plan_id: string;
}
const planRef = (raw: RawPlanRef): { readonly orgId: OrgId; readonly planId: PlanId } => ({
  orgId: raw.org_id as OrgId,
  planId: raw.plan_id as PlanId,
});

type Scans = Pick<
  PlatformStore,
  | "readySteps"
  | "leasesOfSession"
  | "dueTimers"
  | "nextTimerMs"
  | "openCascades"
  | "overduePlans"
  | "dropExpiredKeys"
  | "ensurePartitions"
>;

function scans(platform: Platform, within: Within): Scans {
  return {
    readySteps: async (demands, limitEach) => {
      if (demands.length === 0) return [];
      const parameters = [
        arrayLiteral(
          "uuid",
          demands.map((d) => d.orgId),
        ),
        arrayLiteral(
          "uuid",
          demands.map((d) => d.demandId),
        ),
        arrayLiteral(
          "bigint",
          demands.map((d) => d.afterKey ?? FIRST_KEY),
        ),
        limitEach,
      ];
      const rows = await within(
        demands.map((d) => d.orgId),
        ({ run }) => run<RawReady>(READY_STEPS, parameters),
      );
      return rows.map((raw): ReadyStep => ({
        ...planRef(raw),
        demandId: raw.demand_id as DemandId,
        orderKey: raw.order_key,
        ordinal: raw.ordinal,
      }));
    },
    leasesOfSession: async (orgs, sessionId) => {
      if (orgs.length === 0) return [];
      // No index names a session: that would cost every update of a step. Open plans are few, and the scan is rare.
      const rows = await within(orgs, ({ run }) =>
        run<RawPlanRef & { ordinal: number; fencing: number }>(
          "SELECT s.org_id, s.plan_id, s.ordinal, s.fencing FROM maestro.plans p JOIN maestro.steps s USING (org_id, plan_id) " +
            "WHERE p.org_id = ANY($1::uuid[]) AND p.committed_ms IS NOT NULL AND p.finished_ms IS NULL AND s.session_id = $2",
          [arrayLiteral("uuid", orgs), sessionId],
        ),
      );
      return rows.map((raw) => ({ ...planRef(raw), ordinal: raw.ordinal, fencing: raw.fencing }));
    },
    dueTimers: async (limit) => {
      const rows = await platform(({ run }) =>
        run<RawPlanRef & { ordinal: number; due_ms: number }>(
          "SELECT org_id, plan_id, ordinal, due_ms FROM maestro.timers WHERE due_ms <= (SELECT maestro.clock_ms()) ORDER BY due_ms LIMIT $1",
          [limit],
        ),
      );
      return rows.map((raw) => ({ ...planRef(raw), ordinal: raw.ordinal, dueMs: raw.due_ms }));
    },
    nextTimerMs: () =>
      platform(async ({ db }) => {
        const [row] = await db.select({ dueMs: timers.dueMs }).from(timers).orderBy(asc(timers.dueMs)).limit(1);
        return row?.dueMs ?? null;
      }),
    openCascades: async (limit) => {
      const rows = await platform(({ run }) =>
        run<RawPlanRef>("SELECT org_id, plan_id FROM maestro.cascades ORDER BY created_ms, plan_id LIMIT $1", [limit]),
      );
      return rows.map(planRef);
    },
    overduePlans: async (orgs, limit) => {
      if (orgs.length === 0) return [];
      const rows = await within(orgs, ({ run }) =>
        run<RawPlanRef>(
          "SELECT org_id, plan_id FROM maestro.plans WHERE org_id = ANY($1::uuid[]) AND committed_ms IS NOT NULL AND finished_ms IS NULL AND deadline_ms <= (SELECT maestro.clock_ms()) ORDER BY deadline_ms LIMIT $2",
          [arrayLiteral("uuid", orgs), limit],
        ),
      );
      return rows.map(planRef);
    },
    dropExpiredKeys: async (limit) => {
      const rows = await platform(({ run }) =>
        run(
          "DELETE FROM maestro.idempotency_keys k USING (SELECT org_id, principal, key FROM maestro.idempotency_keys WHERE expires_ms <= (SELECT maestro.clock_ms()) ORDER BY expires_ms LIMIT $1 FOR UPDATE SKIP LOCKED) x " +
            "WHERE k.org_id = x.org_id AND k.principal = x.principal AND k.key = x.key RETURNING 1",
          [limit],
        ),
      );
      return rows.length;
    },
    ensurePartitions: async (months) => {
      const rows = await platform(({ run }) =>
        run<{ made: number }>("SELECT maestro.ensure_partitions(maestro.clock_ms(), $1) AS made", [months]),
      );
      return rows[0]?.made ?? 0;
    },
  };
}
