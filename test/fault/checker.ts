// The judge: a program of its own that reads what the clients wrote down and what the store holds, and says what was lost and what
// was doubled. `node checker.ts DATABASE_URL JOURNAL_FOLDER` prints one JSON object. It shares no rule with the service.
import { audit, seeingAll } from "../support/audit.ts";
import { readJournals } from "../support/load/journal.ts";
import type { Entry } from "../support/load/journal.ts";

export interface Judgement {
  /** How much was judged. */
  readonly assignments: number;
  readonly receipts: number;
  readonly committedPlans: number;
  /** Acknowledged and absent. */
  readonly lost: readonly string[];
  /** Two accepted outcomes for one attempt, two settled attempts of one step, or two live leases. */
  readonly doubled: readonly string[];
  /** Totals that are not the sum of their rows. */
  readonly audit: readonly string[];
  /** Plans by state. */
  readonly plans: Readonly<Record<string, number>>;
  readonly attempts: Readonly<Record<string, number>>;
}

interface AttemptRow {
  readonly plan_id: string;
  readonly ordinal: number;
  readonly fencing: string;
  readonly state: string;
  readonly undoing: boolean;
  readonly leased_ms: string;
  readonly ended_ms: string;
  readonly record_id: string;
}

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";

/** The UUID inside an id of the wire. */
function uuidIn(id: string): string {
  let value = 0n;
  for (const character of id.slice(id.lastIndexOf("_") + 1)) value = value * 32n + BigInt(ALPHABET.indexOf(character));
  const hex = value.toString(16).padStart(32, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

async function judge(url: string, folder: string): Promise<Judgement> {
  const entries = readJournals(folder);
  const { attempts, steps, plans, accepted } = await seeingAll(url, async (tx) => ({
    attempts: await tx<
      AttemptRow[]
    >`SELECT plan_id, ordinal, fencing, state, undoing, leased_ms, ended_ms, record_id FROM maestro.attempts`,
    steps: await tx<
      { plan_id: string; ordinal: number; fencing: string; state: string; started_ms: string | null }[]
    >`SELECT plan_id, ordinal, fencing, state, started_ms FROM maestro.steps`,
    plans: await tx<{ plan_id: string; state: string }[]>`SELECT plan_id, state FROM maestro.plans`,
    accepted: await tx<{ plan_id: string; ordinal: string; fencing: string; n: string }[]>`
      SELECT plan_id, body::json->>'ordinal' AS ordinal, body::json->>'fencing' AS fencing, count(*) AS n FROM maestro.records WHERE kind = 'outcome.report' GROUP BY 1, 2, 3 HAVING count(*) > 1`,
  }));
  const lost: string[] = [];
  const doubled: string[] = accepted.map(
    (row) => `${row.n} outcome records for attempt ${row.plan_id}/${row.ordinal}/${row.fencing}`,
  );
  const byAttempt = new Map(attempts.map((row) => [`${row.plan_id}/${row.ordinal}/${row.fencing}`, row]));
  acknowledged(entries, byAttempt, lost, doubled);
  const known = new Set(plans.map((plan) => plan.plan_id));
  const committed = new Set(entries.filter((entry) => entry.k === "s").map((entry) => uuidIn(entry.p)));
  for (const planId of committed) if (!known.has(planId)) lost.push(`plan ${planId} was answered and is not there`);
  leases(attempts, steps, doubled);
  const differences = await audit(url);
  return {
    assignments: entries.filter((entry) => entry.k === "a").length,
    receipts: entries.filter((entry) => entry.k === "k").length,
    committedPlans: committed.size,
    lost,
    doubled,
    audit: differences.map((found) => `${found.what}: ${found.count} (${found.plans.join(", ")})`),
    plans: count(plans.map((plan) => plan.state)),
    attempts: count(attempts.map((attempt) => attempt.state)),
  };
}

/** What executors were told is durable: it must be there, once, under the record that they were given. */
function acknowledged(
  entries: readonly Entry[],
  byAttempt: ReadonlyMap<string, AttemptRow>,
  lost: string[],
  doubled: string[],
): void {
  const records = new Map<string, string>();
  for (const entry of entries) {
    if (entry.k !== "k") continue;
    const key = `${uuidIn(entry.p)}/${entry.o ?? 0}/${entry.f ?? 0}`;
    const attempt = byAttempt.get(key);
    if (attempt?.state !== "SUCCEEDED")
      lost.push(`outcome ${key} was acknowledged and is ${attempt?.state ?? "absent"}`);
    const record = entry.r ?? "";
    if (attempt !== undefined && uuidIn(record) !== attempt.record_id)
      doubled.push(`outcome ${key} was acknowledged under record ${record}, and kept under ${attempt.record_id}`);
    const before = records.get(key);
    if (before !== undefined && before !== record) doubled.push(`outcome ${key} was acknowledged under two records`);
    records.set(key, record);
  }
}

/** Attempts of a step must not overlap, fencing numbers must grow with time, and one at most may have settled it. */
function leases(
  attempts: readonly AttemptRow[],
  steps: readonly {
    readonly plan_id: string;
    readonly ordinal: number;
    readonly fencing: string;
    readonly state: string;
    readonly started_ms: string | null;
  }[],
  doubled: string[],
): void {
  const byStep = new Map<string, AttemptRow[]>();
  for (const attempt of attempts) {
    const key = `${attempt.plan_id}/${attempt.ordinal}`;
    const list = byStep.get(key);
    if (list === undefined) byStep.set(key, [attempt]);
    else list.push(attempt);
  }
  for (const [key, list] of byStep) {
    list.sort((a, b) => Number(a.fencing) - Number(b.fencing));
    if (list.filter((attempt) => attempt.state === "SUCCEEDED" && !attempt.undoing).length > 1)
      doubled.push(`step ${key} was settled twice`);
    list.forEach((attempt, i) => {
      const next = list[i + 1];
      if (next !== undefined && Number(next.leased_ms) < Number(attempt.ended_ms))
        doubled.push(`step ${key} had two live leases, ${attempt.fencing} and ${next.fencing}`);
    });
  }
  for (const step of steps) {
    if (step.state !== "LEASED" && step.state !== "STOPPING") continue;
    const last = byStep.get(`${step.plan_id}/${step.ordinal}`)?.at(-1);
    if (last === undefined) continue;
    if (Number(last.fencing) >= Number(step.fencing) || Number(step.started_ms) < Number(last.ended_ms))
      doubled.push(`step ${step.plan_id}/${step.ordinal} is leased beside attempt ${last.fencing}`);
  }
}

function count(words: readonly string[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const word of words) counts[word] = (counts[word] ?? 0) + 1;
  return counts;
}

const [url = "", folder = ""] = process.argv.slice(2);
console.log(JSON.stringify(await judge(url, folder)));
