// Examines the work in a database: which servers are there, leases that nobody returns, and steps that nobody could take. Reads only.
import { canServe } from "../../../domain/executor.ts";
import { isReserved } from "../../../domain/gate.ts";
import { counted } from "../../../support/counted.ts";
import type { Finding } from "../../../support/finding.ts";
import { fail, ok, warn } from "../../../support/finding.ts";
import { arrayLiteral } from "../columns.ts";
import type { Link } from "../move/link.ts";
import { liveServers, see } from "../move/tables.ts";

/** Row-level security compares each row with the list of orgs. */
const ORGS_EACH = 100;
/** Servers sweep within seconds; what is older than this they do not find, or cannot return, ms. */
const SWEPT_MS = 60_000;
/** Most that are named one by one. */
const NAMED = 5;

export async function allOrgs(link: Link): Promise<readonly string[]> {
  await see(link, []);
  return (await link.run<{ org_id: string }>("SELECT org_id FROM maestro.orgs ORDER BY org_id")).map((o) => o.org_id);
}

export async function examineWork(link: Link): Promise<readonly Finding[]> {
  const orgs = await allOrgs(link);
  const servers = await liveServers(link);
  return [
    ok("work.servers", servers.length === 0 ? "No server is at work." : `At work: ${servers.join("; ")}.`),
    await examineLeases(link, orgs, servers.length > 0),
    await examineTakers(link, orgs),
  ];
}

// Index: plans_open, then the steps of the few plans where something runs.
const DEAD_LEASES = `SELECT count(*)::int AS leases, count(DISTINCT s.plan_id)::int AS plans,
    coalesce(min(CASE WHEN v.session_id IS NULL THEN 0 ELSE least(v.expires_ms, coalesce(v.ended_ms, v.expires_ms)) END), 0)::bigint AS since_ms,
    maestro.clock_ms() AS now_ms
  FROM unnest($1::uuid[]) AS o(org_id)
  JOIN maestro.plans p ON p.org_id = o.org_id AND p.committed_ms IS NOT NULL AND p.finished_ms IS NULL AND p.steps_running > 0
  JOIN maestro.steps s ON s.org_id = p.org_id AND s.plan_id = p.plan_id AND s.session_id IS NOT NULL
  LEFT JOIN maestro.server_sessions v ON v.session_id = s.session_id
  WHERE v.session_id IS NULL OR v.ended_ms IS NOT NULL OR v.expires_ms <= maestro.clock_ms()`;

async function examineLeases(link: Link, orgs: readonly string[], served: boolean): Promise<Finding> {
  const check = "work.leases";
  let leases = 0;
  let plans = 0;
  let oldMs = 0;
  for (const group of groups(orgs)) {
    await see(link, group);
    const [row] = await link.run<{ leases: number; plans: number; since_ms: number; now_ms: number }>(DEAD_LEASES, [
      arrayLiteral("uuid", group),
    ]);
    if (row === undefined || row.leases === 0) continue;
    leases += row.leases;
    plans += row.plans;
    oldMs = Math.max(oldMs, row.now_ms - row.since_ms);
  }
  if (leases === 0) return ok(check, "No lease belongs to a server that is gone.");
  const found = `${counted(leases, "lease")} in ${counted(plans, "plan")} ${leases === 1 ? "belongs" : "belong"} to servers that are gone.`;
  if (!served)
    return warn(check, found, "Their steps wait; a server that starts returns them at once.", "Start a server.");
  return oldMs > SWEPT_MS
    ? fail(
        check,
        found,
        "Servers at work return such leases within seconds, and these they have not: their steps wait.",
        "Look at the servers' logs for what keeps their sweep from them.",
      )
    : warn(check, found, "A server has just gone; the others are returning them.", "Look again in a minute.");
}

interface RawDemand {
  readonly org_id: string;
  readonly capability: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly min_trust: number;
}

interface RawExecutor {
  readonly org_id: string;
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly trust: number;
  readonly attached: boolean;
}

// Index: steps_ready, one descent per demand class.
const WAITING = `SELECT d.org_id, d.capability, d.labels, d.min_trust FROM maestro.demands d
  WHERE d.org_id = ANY($1::uuid[]) AND EXISTS (SELECT 1 FROM maestro.steps s
    WHERE s.org_id = d.org_id AND s.demand_id = d.demand_id AND s.order_key IS NOT NULL)`;
const EXECUTORS = `SELECT e.org_id, e.name, e.capabilities, e.labels, e.trust, EXISTS (SELECT 1 FROM maestro.server_sessions v
    WHERE v.session_id = e.session_id AND v.ended_ms IS NULL AND v.expires_ms > maestro.clock_ms()) AS attached
  FROM maestro.executors e WHERE e.org_id = ANY($1::uuid[]) AND e.state = 'ACTIVE'`;

/** Ready steps against the executors that there are, by the rule that dispatch goes by. */
async function examineTakers(link: Link, orgs: readonly string[]): Promise<Finding> {
  const nobody: string[] = [];
  const away: string[] = [];
  for (const group of groups(orgs)) {
    await see(link, group);
    const list = [arrayLiteral("uuid", group)];
    const demands = await link.run<RawDemand>(WAITING, list);
    if (demands.length === 0) continue;
    const executors = await link.run<RawExecutor>(EXECUTORS, list);
    for (const { org_id: org, capability, labels, min_trust: minTrust } of demands) {
      // Any server takes it.
      if (isReserved(capability)) continue;
      const able = executors.filter(
        (e) =>
          e.org_id === org &&
          canServe(
            {
              trust: e.trust,
              spec: { name: e.name, capabilities: e.capabilities, labels: e.labels, slots: 1, buildId: "" },
            },
            { capability, labels, minTrust },
          ),
      );
      const asked = askedText(capability, labels, minTrust);
      if (able.length === 0) nobody.push(asked);
      else if (!able.some(({ attached }) => attached))
        away.push(`${asked} (${able.map(({ name }) => name).join(", ")})`);
    }
  }
  const check = "work.takers";
  if (nobody.length > 0)
    return warn(
      check,
      `Steps are ready that no executor could take: they ask for ${few(nobody)}.`,
      "Their plans wait until there is one.",
      "Start an executor with that capability, those labels and that trust, or change the steps with `maestro replan`.",
    );
  if (away.length > 0)
    return warn(
      check,
      `Steps are ready whose executors are not attached: they ask for ${few(away)}.`,
      "Their plans wait until one of them comes back.",
      "Start the executors, or look why they do not reach a server.",
    );
  return ok(check, "Every ready step has an executor that could take it.");
}

function askedText(capability: string, labels: Readonly<Record<string, string>>, minTrust: number): string {
  const more = [
    ...Object.entries(labels).map(([name, value]) => `${name}=${value}`),
    ...(minTrust > 0 ? [`trust from ${minTrust}`] : []),
  ];
  return more.length === 0 ? capability : `${capability} with ${more.join(", ")}`;
}

function few(all: readonly string[]): string {
  const rest = all.length - NAMED;
  return `${all.slice(0, NAMED).join("; ")}${rest > 0 ? `; and ${rest} more` : ""}`;
}

function groups(orgs: readonly string[]): readonly (readonly string[])[] {
  const all: (readonly string[])[] = [];
  for (let at = 0; at < orgs.length; at += ORGS_EACH) all.push(orgs.slice(at, at + ORGS_EACH));
  return all;
}
