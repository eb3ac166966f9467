// The standing scans: what is ready, due, overdue, or left behind by a server that is gone. Without locks; whatever they find
// is decided on by batches. Not here: orgs, keys and sessions, see platform.ts.
import type { DemandId, OrgId, PlanId, PlanRef, ReadyStep, SessionId, UploadId } from "../../domain/id.ts";
import type { ContentRef, PlatformStore } from "../ports/platform.ts";
import { arrayLiteral } from "./columns.ts";
import { inOneStatement } from "./statement.ts";
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

// Exported, like READY_STEPS, so that their plans can be looked at.
export const SCANS = {
  /** Index: plans_open, one descent per org. Plans where nothing runs have no leases. */
  runningPlans:
    "SELECT d.org_id, q.plan_id FROM unnest($1::uuid[], $2::uuid[]) AS d(org_id, after_id) CROSS JOIN LATERAL (SELECT p.plan_id FROM maestro.plans p " +
    "WHERE p.org_id = d.org_id AND p.plan_id > d.after_id AND p.committed_ms IS NOT NULL AND p.finished_ms IS NULL AND p.steps_running > 0 ORDER BY p.plan_id LIMIT $3) q",
  /** By primary key. No index names a session: that would cost every update of a step. */
  leases:
    "SELECT s.org_id, s.plan_id, s.ordinal, s.fencing FROM unnest($1::uuid[], $2::uuid[]) AS d(org_id, plan_id) " +
    "JOIN maestro.steps s USING (org_id, plan_id) WHERE s.session_id = $3",
  /** Index: timers_due. */
  dueTimers:
    "SELECT org_id, plan_id, ordinal, due_ms FROM maestro.timers WHERE due_ms <= (SELECT maestro.clock_ms()) ORDER BY due_ms LIMIT $1",
  /** Index: cascades_by_age, whose predicate is named. */
  cascades: "SELECT org_id, plan_id FROM maestro.cascades WHERE created_ms >= 0 ORDER BY created_ms, plan_id LIMIT $1",
  // These two go on from `seeing`, see statement.ts.
  /** Index: artifact_uploads_expiry. */
  expiredUploads:
    " SELECT u.org_id, u.content_id FROM see CROSS JOIN LATERAL (SELECT org_id, upload_id AS content_id FROM maestro.artifact_uploads WHERE see.platform = 'on' AND expires_ms <= (SELECT maestro.clock_ms()) ORDER BY expires_ms LIMIT $1) u",
  /** Index: artifact_waste_by_age. */
  wastedContents:
    " SELECT w.org_id, w.content_id FROM see CROSS JOIN LATERAL (SELECT org_id, content_id FROM maestro.artifact_waste WHERE see.platform = 'on' ORDER BY since_ms LIMIT $1) w",
} as const;

/** Orgs that one transaction sees: row-level security filters by the list. */
export const ORGS_EACH = 100;
/** Plans of an org that one look for leases reads at a time; a plan has up to 100,000 steps. */
const PLANS_EACH = 20;
/** Leases that one scan gives at least, if there are as many; the next scan finds the rest. */
const LEASES_LIMIT = 10_000;
const FIRST_ID = "00000000-0000-0000-0000-000000000000";

/** A transaction that may read the platform's tables. */
export type Platform = <T>(work: (session: Session) => Promise<T>) => Promise<T>;
/** A transaction that sees these orgs, and only reads. */
export type Within = <T>(orgs: readonly OrgId[], work: (session: Session) => Promise<T>) => Promise<T>;

interface RawPlanRef {
  readonly org_id: string;
  readonly plan_id: string;
}
const planRef = (raw: RawPlanRef): PlanRef => ({
  orgId: raw.org_id as OrgId,
  planId: raw.plan_id as PlanId,
});

type Scans = Pick<
  PlatformStore,
  | "readySteps"
  | "leasesOfSession"
  | "dueTimers"
  | "openCascades"
  | "dropExpiredKeys"
  | "expiredUploads"
  | "wastedContents"
  | "ensurePartitions"
>;

/** `alone` takes those that are one statement. */
export function createScans(platform: Platform, within: Within, alone: TransactionOptions): Scans {
  const arrays = (plans: readonly { readonly orgId: OrgId; readonly planId: string }[]): [string, string] => [
    arrayLiteral(
      "uuid",
      plans.map((p) => p.orgId),
    ),
    arrayLiteral(
      "uuid",
      plans.map((p) => p.planId),
    ),
  ];
  const runningPlans = async (
    asked: readonly { readonly orgId: OrgId; readonly after: string }[],
  ): Promise<readonly PlanRef[]> => {
    const after = asked.map(({ orgId, after: planId }) => ({ orgId, planId }));
    const rows = await within(
      asked.map((a) => a.orgId),
      ({ run }) => run<RawPlanRef>(SCANS.runningPlans, [...arrays(after), PLANS_EACH]),
    );
    return rows.map(planRef);
  };
  const leasesOf = async (plans: readonly PlanRef[], sessionId: SessionId) => {
    const rows = await within(
      plans.map((p) => p.orgId),
      ({ run }) => run<RawPlanRef & { ordinal: number; fencing: number }>(SCANS.leases, [...arrays(plans), sessionId]),
    );
    return rows.map((raw) => ({ ...planRef(raw), ordinal: raw.ordinal, fencing: raw.fencing }));
  };
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
      const leases: (PlanRef & { readonly ordinal: number; readonly fencing: number })[] = [];
      // Each page is a transaction of its own: however much there is, none takes long.
      let asked = orgs.map((orgId) => ({ orgId, after: FIRST_ID }));
      while (asked.length > 0 && leases.length < LEASES_LIMIT) {
        const group = asked.slice(0, ORGS_EACH);
        const found = await runningPlans(group);
        for (let i = 0; i < found.length; i += PLANS_EACH)
          leases.push(...(await leasesOf(found.slice(i, i + PLANS_EACH), sessionId)));
        const full = group.flatMap(({ orgId }) => {
          const own = found.filter((plan) => plan.orgId === orgId);
          return own.length < PLANS_EACH ? [] : [{ orgId, after: own.at(-1)?.planId ?? FIRST_ID }];
        });
        asked = [...full, ...asked.slice(ORGS_EACH)];
      }
      return leases;
    },
    dueTimers: async (limit) => {
      const rows = await platform(({ run }) =>
        run<RawPlanRef & { ordinal: number; due_ms: number }>(SCANS.dueTimers, [limit]),
      );
      return rows.map((raw) => ({ ...planRef(raw), ordinal: raw.ordinal, dueMs: raw.due_ms }));
    },
    openCascades: async (limit) => {
      const rows = await platform(({ run }) => run<RawPlanRef>(SCANS.cascades, [limit]));
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
    expiredUploads: (limit) => contents(alone, SCANS.expiredUploads, limit),
    wastedContents: (limit) => contents(alone, SCANS.wastedContents, limit),
    ensurePartitions: async (months) => {
      const rows = await inOneStatement<{ made: number }>(
        alone,
        " SELECT maestro.ensure_partitions(maestro.clock_ms(), $1) AS made FROM see",
        [months],
      );
      return rows[0]?.made ?? 0;
    },
  };
}

async function contents(alone: TransactionOptions, text: string, limit: number): Promise<readonly ContentRef[]> {
  const rows = await inOneStatement<{ org_id: string; content_id: string }>(alone, text, [limit]);
  return rows.map((raw) => ({ orgId: raw.org_id as OrgId, contentId: raw.content_id as UploadId }));
}
