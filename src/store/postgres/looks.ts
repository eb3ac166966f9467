// What every server asks all the time, each one statement: to renew its session and hear what changed, and whether there is
// anything to do. Index-only or a handful of rows, whatever the installation holds. Not here: the scans that then bring what
// there is to do, see scans.ts.
import type { DemandId, KeyId, OrgId, PlanId, SessionId } from "../../domain/id.ts";
import type { Due, PlatformStore, Waiting } from "../ports/platform.ts";
import { arrayLiteral } from "./columns.ts";
import { inOneStatement } from "./statement.ts";
import type { TransactionOptions } from "./transaction.ts";

// All of them go on from `seeing`, see statement.ts. Exported so that their plans can be looked at.
export const LOOKS = {
  /**
   * Locks the row of the session. Not an UPDATE: that could be planned to look at the table before `see`, and would find nothing.
   * The row of an INSERT is there before its policies are asked, and this one always conflicts with the row that is locked.
   * The clock is read above the lock. Index: api_keys_revoked; of sessions there are as many as servers.
   */
  renew:
    ", own AS MATERIALIZED (SELECT l.*, maestro.clock_ms() AS at_ms FROM see CROSS JOIN LATERAL (SELECT s.address, s.build, s.started_ms, s.expires_ms, s.ended_ms " +
    "FROM maestro.server_sessions s WHERE s.session_id = $1 AND see.platform = 'on' OFFSET 0 FOR NO KEY UPDATE) l)" +
    ", renewed AS (INSERT INTO maestro.server_sessions AS r (session_id, address, build, started_ms, expires_ms) " +
    "SELECT $1, o.address, o.build, o.started_ms, o.at_ms + $2 FROM own o WHERE o.ended_ms IS NULL AND o.expires_ms > o.at_ms " +
    "ON CONFLICT (session_id) DO UPDATE SET expires_ms = excluded.expires_ms RETURNING r.expires_ms) " +
    "SELECT (SELECT n.expires_ms FROM renewed n) AS expires_ms, maestro.clock_ms() AS now_ms, i.installation_id, i.store_epoch, " +
    "ARRAY(SELECT k.key_id FROM maestro.api_keys k WHERE see.platform = 'on' AND k.revoked_ms IS NOT NULL AND k.revoked_ms >= $3) AS revoked, " +
    "ARRAY(SELECT s.session_id FROM maestro.server_sessions s WHERE see.platform = 'on' AND s.session_id <> $1 " +
    "AND s.expires_ms <= (SELECT maestro.clock_ms()) ORDER BY s.expires_ms) AS lapsed " +
    "FROM see CROSS JOIN LATERAL (SELECT installation_id, store_epoch FROM maestro.installation WHERE see.platform = 'on' OFFSET 0) i",
  /** Indexes: timers_due, cascades_by_age, their first rows. */
  due:
    " SELECT maestro.clock_ms() AS now_ms, (SELECT t.due_ms FROM maestro.timers t WHERE see.platform = 'on' ORDER BY t.due_ms LIMIT 1) AS timer_ms, " +
    "EXISTS (SELECT 1 FROM maestro.cascades c WHERE see.platform = 'on' AND c.created_ms >= 0) AS cascades FROM see",
  /**
   * Besides what `due` asks: plans by plans_by_deadline, and the demand classes of these orgs that have ready steps, by
   * steps_ready, from one class to the next: what is ready in a class is not read. All orgs are named for the policies of
   * plans and steps, which are asked about the few rows that are found.
   */
  waiting:
    ", named AS MATERIALIZED (SELECT set_config('maestro.orgs', ARRAY(SELECT o.org_id FROM maestro.orgs o WHERE see.platform = 'on')::text, true) AS orgs FROM see) " +
    "SELECT maestro.clock_ms() AS now_ms, (SELECT t.due_ms FROM maestro.timers t WHERE named.orgs <> '' ORDER BY t.due_ms LIMIT 1) AS timer_ms, " +
    "EXISTS (SELECT 1 FROM maestro.cascades c WHERE named.orgs <> '' AND c.created_ms >= 0) AS cascades, " +
    "(SELECT coalesce(json_agg(json_build_array(d.org_id, d.plan_id)), '[]') FROM (SELECT p.org_id, p.plan_id FROM maestro.plans p WHERE named.orgs <> '' " +
    "AND p.committed_ms IS NOT NULL AND p.finished_ms IS NULL AND p.deadline_ms IS NOT NULL AND p.deadline_ms <= (SELECT maestro.clock_ms()) ORDER BY p.deadline_ms LIMIT $2) d) AS overdue, " +
    "(SELECT coalesce(json_agg(json_build_array(a.org_id, w.demand_id)), '[]') FROM unnest($1::uuid[]) AS a(org_id) CROSS JOIN LATERAL (WITH RECURSIVE walk AS (" +
    "(SELECT f.demand_id FROM maestro.steps f WHERE named.orgs <> '' AND f.org_id = a.org_id AND f.order_key IS NOT NULL ORDER BY f.demand_id LIMIT 1) UNION ALL " +
    "SELECT (SELECT n.demand_id FROM maestro.steps n WHERE n.org_id = a.org_id AND n.demand_id > b.demand_id AND n.order_key IS NOT NULL ORDER BY n.demand_id LIMIT 1) " +
    "FROM walk b WHERE b.demand_id IS NOT NULL) SELECT demand_id FROM walk WHERE demand_id IS NOT NULL) w) AS ready FROM named",
  /** Once a minute: all demand classes, of which each org has a few. Indexes: demands_pkey (whole), steps_ready for those with the capability. */
  readyFor:
    ", named AS MATERIALIZED (SELECT set_config('maestro.orgs', ARRAY(SELECT o.org_id FROM maestro.orgs o WHERE see.platform = 'on')::text, true) AS orgs FROM see) " +
    "SELECT DISTINCT d.org_id FROM named CROSS JOIN LATERAL (SELECT c.org_id, c.demand_id FROM maestro.demands c WHERE named.orgs <> '' AND c.capability = $1 OFFSET 0) d " +
    "CROSS JOIN LATERAL (SELECT 1 FROM maestro.steps s WHERE s.org_id = d.org_id AND s.demand_id = d.demand_id AND s.order_key IS NOT NULL LIMIT 1) r",
} as const;

/** Overdue plans that one look gives; the next one goes on. */
const OVERDUE_LIMIT = 100;

interface RawRenewal {
  readonly expires_ms: number | null;
  readonly now_ms: number;
  readonly installation_id: string;
  readonly store_epoch: number;
  readonly revoked: readonly string[];
  readonly lapsed: readonly string[];
}

interface RawDue {
  readonly now_ms: number;
  readonly timer_ms: number | null;
  readonly cascades: boolean;
}

interface RawWaiting extends RawDue {
  readonly overdue: readonly (readonly [string, string])[];
  readonly ready: readonly (readonly [string, string])[];
}

/** `session` renews, whatever else goes on; `scans` does the rest. */
export function createLooks(
  session: TransactionOptions,
  scans: TransactionOptions,
): Pick<PlatformStore, "renewSession" | "due" | "waiting" | "readyFor"> {
  return {
    renewSession: async (sessionId, lifeMs, revokedSinceMs) => {
      const [raw] = await inOneStatement<RawRenewal>(session, LOOKS.renew, [sessionId, lifeMs, revokedSinceMs]);
      if (raw === undefined) throw new Error("the installation has no row");
      return {
        expiresMs: raw.expires_ms,
        nowMs: raw.now_ms,
        installation: { installationId: raw.installation_id, storeEpoch: raw.store_epoch },
        revoked: raw.revoked as readonly KeyId[],
        lapsed: raw.lapsed as readonly SessionId[],
      };
    },
    readyFor: async (capability) => {
      const rows = await inOneStatement<{ readonly org_id: string }>(scans, LOOKS.readyFor, [capability]);
      return rows.map(({ org_id: orgId }) => orgId as OrgId);
    },
    due: async () => {
      const [raw] = await inOneStatement<RawDue>(scans, LOOKS.due);
      return dueOf(raw);
    },
    waiting: async (orgs): Promise<Waiting> => {
      const [raw] = await inOneStatement<RawWaiting>(scans, LOOKS.waiting, [arrayLiteral("uuid", orgs), OVERDUE_LIMIT]);
      return {
        ...dueOf(raw),
        overdue: (raw?.overdue ?? []).map(([orgId, planId]) => ({ orgId: orgId as OrgId, planId: planId as PlanId })),
        ready: (raw?.ready ?? []).map(([orgId, id]) => ({ orgId: orgId as OrgId, demandId: id as DemandId })),
      };
    },
  };
}

function dueOf(raw: RawDue | undefined): Due {
  if (raw === undefined) throw new Error("a look found not even the time");
  return { nowMs: raw.now_ms, timerMs: raw.timer_ms, cascades: raw.cascades };
}
