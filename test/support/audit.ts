// Recomputes what the store keeps as totals, by SQL from the rows they sum: counters, holds, account, waiting counts, record
// sequences, ready set. Any difference is a bug. Sees all orgs, as the application's login or as an administrator. Not here: expectations of single tests.
import postgres from "postgres";
import { STEP_FLAGS } from "../../src/domain/step.ts";

export interface Difference {
  readonly what: string;
  readonly count: number;
  /** Some of the plans it was found in. */
  readonly plans: readonly string[];
}

/** Opens one transaction that sees every org. */
export async function seeingAll<T>(url: string, work: (sql: postgres.TransactionSql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return (await sql.begin("ISOLATION LEVEL REPEATABLE READ", async (tx) => {
      await tx`SELECT set_config('maestro.platform', 'on', true)`;
      const orgs = await tx<{ org_id: string }[]>`SELECT org_id FROM maestro.orgs`;
      await tx`SELECT set_config('maestro.orgs', ${`{${orgs.map((org) => org.org_id).join(",")}}`}, true)`;
      return await work(tx);
    })) as T;
  } finally {
    await sql.end();
  }
}

const LIVE = "('LEASED', 'STOPPING')";
const ENDED = "('SUCCEEDED', 'FAILED', 'REFUSED', 'SKIPPED', 'CANCELLED', 'COMPENSATED', 'COMPENSATION_FAILED')";
/** Of an effect that must be undone before its successor runs. */
const UNSETTLED = "('LEASED', 'STOPPING', 'BACKING_OFF', 'SUCCEEDED', 'COMPENSATING', 'COMPENSATION_FAILED')";
const DIMENSIONS = ["tokens", "money", "wall", "energy"];

// One row a plan whose stored figures differ; the same rules as the domain's counters.
export const CHECKS: Readonly<Record<string, string>> = {
  "plan counters": `
    SELECT p.plan_id FROM maestro.plans p JOIN (
      SELECT org_id, plan_id, count(*) FILTER (WHERE current) AS total,
        count(*) FILTER (WHERE current AND (undoing OR state IN ${ENDED})) AS ended,
        count(*) FILTER (WHERE current AND state = 'SUCCEEDED') AS succeeded,
        count(*) FILTER (WHERE current AND state IN ('FAILED', 'REFUSED', 'CANCELLED', 'COMPENSATION_FAILED')) AS failed,
        count(*) FILTER (WHERE state IN ('LEASED', 'STOPPING', 'COMPENSATING') OR (state = 'BACKING_OFF' AND undoing)) AS running,
        count(*) FILTER (WHERE state IN ('READY', 'COMPENSATING') AND order_key IS NULL) AS starved
      FROM maestro.steps GROUP BY 1, 2) s USING (org_id, plan_id)
    WHERE p.committed_ms IS NOT NULL AND (p.steps_total, p.steps_ended, p.steps_succeeded, p.steps_failed, p.steps_running, p.steps_starved)
      IS DISTINCT FROM (s.total, s.ended, s.succeeded, s.failed, s.running, s.starved)`,
  held: `
    SELECT p.plan_id FROM maestro.plans p LEFT JOIN (
      SELECT org_id, plan_id, ${DIMENSIONS.map((d) => `sum(hold_${d}) AS ${d}`).join(", ")} FROM maestro.steps WHERE state IN ${LIVE} AND NOT undoing GROUP BY 1, 2) s USING (org_id, plan_id)
    WHERE (${DIMENSIONS.map((d) => `p.held_${d}`).join(", ")}) IS DISTINCT FROM (${DIMENSIONS.map((d) => `coalesce(s.${d}, 0)`).join(", ")})`,
  "presumed spent": `
    SELECT p.plan_id FROM maestro.plans p LEFT JOIN (
      SELECT org_id, plan_id, ${DIMENSIONS.map((d) => `sum(hold_${d}) AS ${d}`).join(", ")} FROM maestro.attempts WHERE state = 'LOST' AND late_digest IS NULL GROUP BY 1, 2) a USING (org_id, plan_id)
    WHERE (${DIMENSIONS.map((d) => `p.presumed_${d}`).join(", ")}) IS DISTINCT FROM (${DIMENSIONS.map((d) => `coalesce(a.${d}, 0)`).join(", ")})`,
  "spent and overrun": `
    SELECT p.plan_id FROM maestro.plans p LEFT JOIN (
      SELECT org_id, plan_id, ${DIMENSIONS.map((d) => `sum(usage_${d}) AS ${d}`).join(", ")} FROM maestro.attempts WHERE state <> 'LOST' OR late_digest IS NOT NULL GROUP BY 1, 2) a USING (org_id, plan_id)
    WHERE (${DIMENSIONS.map((d) => `p.spent_${d} + p.overrun_${d}`).join(", ")}) IS DISTINCT FROM (${DIMENSIONS.map((d) => `least(coalesce(a.${d}, 0), ${String(Number.MAX_SAFE_INTEGER)})`).join(", ")})`,
  // Whoever has begun goes on when its predecessor runs again.
  "waiting counts": `
    SELECT s.plan_id FROM maestro.steps s JOIN maestro.plans p USING (org_id, plan_id) LEFT JOIN (
      SELECT e.org_id, e.plan_id, e.to_ordinal AS ordinal, count(*) AS waits FROM maestro.step_edges e
      JOIN maestro.steps f ON f.org_id = e.org_id AND f.plan_id = e.plan_id AND f.ordinal = e.from_ordinal
      WHERE CASE WHEN f.flags & ${String(STEP_FLAGS.UNDO_FIRST)} <> 0 THEN f.state IN ${UNSETTLED} ELSE NOT f.undoing AND f.state NOT IN ${ENDED} END
      GROUP BY 1, 2, 3) w USING (org_id, plan_id, ordinal)
    WHERE p.state IN ('ACTIVE', 'COMPLETED') AND p.ending IS NULL AND s.current AND s.state NOT IN ('SKIPPED', 'CANCELLED')
      AND NOT EXISTS (SELECT 1 FROM maestro.cascades c WHERE c.org_id = s.org_id AND c.plan_id = s.plan_id)
      AND s.waiting_on IS DISTINCT FROM CASE s.state WHEN 'PENDING' THEN coalesce(w.waits, 0) ELSE 0 END`,
  "record sequences": `
    SELECT p.plan_id FROM maestro.plans p LEFT JOIN (SELECT org_id, plan_id, count(*) AS n, max(seq) AS last FROM maestro.records GROUP BY 1, 2) r USING (org_id, plan_id)
    WHERE p.record_seq IS DISTINCT FROM coalesce(r.n, 0) OR p.record_seq IS DISTINCT FROM coalesce(r.last, 0)`,
  "records of attempts": `
    SELECT a.plan_id FROM maestro.attempts a LEFT JOIN maestro.records r ON r.org_id = a.org_id AND r.plan_id = a.plan_id AND r.record_id = a.record_id WHERE r.record_id IS NULL`,
  "runs of plans": `
    SELECT p.plan_id FROM maestro.plans p LEFT JOIN maestro.runs r ON r.org_id = p.org_id AND r.run_id = p.plan_id
    WHERE (p.committed_ms IS NOT NULL OR p.state = 'AWAITING_RATIFICATION') AND (r.is_plan AND r.created_ms = p.created_ms) IS NOT TRUE`,
  // Each once, and none besides.
  "artifacts of outcomes": `
    SELECT plan_id FROM (
      SELECT a.org_id, a.plan_id, a.ordinal, a.fencing, n.artifact ->> 'name' AS name, n.artifact ->> 'uri' AS uri, 1 AS named FROM maestro.attempts a
        CROSS JOIN LATERAL jsonb_array_elements(a.artifacts::jsonb) AS n(artifact) WHERE a.state = 'SUCCEEDED' AND NOT a.undoing
      UNION ALL
      SELECT org_id, run_id, ordinal, fencing, additional::jsonb ->> 'name', uri, -1 FROM maestro.run_artifacts WHERE ordinal IS NOT NULL) x
    GROUP BY org_id, plan_id, ordinal, fencing, name, uri HAVING sum(named) <> 0`,
  "ready set": `
    SELECT s.plan_id FROM maestro.steps s JOIN maestro.plans p USING (org_id, plan_id)
    WHERE p.state = 'ACTIVE' AND s.state = 'READY' AND s.order_key IS NULL AND p.steps_starved = 0`,
  "ends of plans": `
    SELECT p.plan_id FROM maestro.plans p WHERE p.state = 'ACTIVE' AND p.ending IS NULL AND p.steps_total > 0 AND p.steps_ended = p.steps_total AND p.steps_running = 0`,
};

/** All differences; none is as it should be. */
export async function audit(url: string): Promise<readonly Difference[]> {
  return await seeingAll(url, async (tx) => {
    const found: Difference[] = [];
    for (const [what, text] of Object.entries(CHECKS)) {
      const rows = await tx.unsafe<{ plan_id: string }[]>(text);
      if (rows.length > 0)
        found.push({ what, count: rows.length, plans: [...new Set(rows.map((row) => row.plan_id))].slice(0, 5) });
    }
    return found;
  });
}
