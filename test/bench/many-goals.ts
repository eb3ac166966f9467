// A million goals, written by SQL, and the first pages that filters find among them through the whole service. Not here: goals
// that are made by calls, which would take an hour.
import postgres from "postgres";
import { MaestroService } from "../../gen/maestro/v1/maestro_service_pb.ts";
import type { NativeClient } from "../support/load/client.ts";
import { declareCharter, refine } from "../support/load/submit.ts";
import { step } from "../support/load/shapes.ts";
import { median, quantile } from "./stage.ts";

const GOALS = 1_000_000;
const SLICE = 50_000;
const PAGE = 20;
const TIMES = 40;

/** One goal in this many has what a filter asks for. */
const FILTERS: Readonly<Record<string, (nth: number) => string>> = {
  "one in a million": (nth) => `labels.nr == "${nth * 9_973}"`,
  "one in 10,000": (nth) => `attributes.size == ${nth * 97}.0`,
  "one in 20,000": (nth) => `labels.team == "t${nth}" && state == "ACHIEVED"`,
};

export interface ManyGoals {
  readonly goals: number;
  /** The slowest filter's median, ms. */
  readonly worstP50Ms: number;
  readonly each: readonly { readonly filter: string; readonly p50Ms: number; readonly p99Ms: number }[];
}

export async function manyGoals(url: string, client: NativeClient): Promise<ManyGoals> {
  await declareCharter(client);
  // Its org and charter are those of all the others.
  const pattern = await refine(client, "pattern", [step("only")]);
  await write(url, pattern);
  const each: { filter: string; p50Ms: number; p99Ms: number }[] = [];
  for (const [filter, text] of Object.entries(FILTERS)) {
    const taken: number[] = [];
    for (let nth = 1; nth <= TIMES; nth++) {
      const beganMs = performance.now();
      const { goals } = await client.call(MaestroService.method.queryGoals, { filter: text(nth), pageSize: PAGE });
      if (goals.length === 0) throw new Error(`nothing was found by ${text(nth)}`);
      taken.push(performance.now() - beganMs);
    }
    each.push({ filter, p50Ms: median(taken), p99Ms: quantile(taken, 0.99) });
  }
  return { goals: GOALS, worstP50Ms: Math.max(...each.map((it) => it.p50Ms)), each };
}

/** Rows as the service would have written them, beside the goal that it did write. */
async function write(url: string, goalId: string): Promise<void> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    const [org] = await sql.begin(async (tx) => {
      await tx`SELECT set_config('maestro.platform', 'on', true)`;
      return tx<{ org_id: string }[]>`SELECT org_id FROM maestro.orgs WHERE name = 'default'`;
    });
    if (org === undefined) throw new Error(`no org holds ${goalId}`);
    for (let from = 1; from <= GOALS; from += SLICE) {
      await sql.begin(async (tx) => {
        await tx`SELECT set_config('maestro.orgs', ${`{${org.org_id}}`}, true)`;
        await tx`SET LOCAL statement_timeout = 0`;
        await tx`CREATE TEMP TABLE made ON COMMIT DROP AS SELECT n, gen_random_uuid() AS id, 't' || (n % 1000) AS team, (n % 10000)::text AS size
          FROM generate_series(${from}::int, ${from + SLICE - 1}::int) AS g(n)`;
        await tx`INSERT INTO maestro.goals (org_id, plan_id, charter_id, charter_revision, name, intent, inputs, constraints, labels, attributes, state, created_ms, created_by, finished_ms)
          SELECT p.org_id, m.id, p.charter_id, p.charter_revision, 'goal-' || m.n, '', NULL, p.constraints, jsonb_build_object('team', m.team, 'nr', m.n::text),
            jsonb_build_object('size', m.n % 10000), (ARRAY['ACHIEVED', 'ACTIVE', 'FAILED', 'REFINED'])[1 + m.n / 1000 % 4], p.created_ms + m.n, 'bench', NULL
          FROM made m CROSS JOIN (SELECT * FROM maestro.goals WHERE name = 'pattern' ORDER BY created_ms LIMIT 1) p`;
        const [columns] = await tx<{ names: string; values: string }[]>`
          SELECT string_agg(quote_ident(attname), ', ') AS names,
            string_agg(CASE attname WHEN 'plan_id' THEN 'm.id' ELSE 'p.' || quote_ident(attname) END, ', ') AS values
          FROM pg_attribute WHERE attrelid = 'maestro.plans'::regclass AND attnum > 0 AND NOT attisdropped`;
        await tx.unsafe(`INSERT INTO maestro.plans (${columns?.names ?? ""}) SELECT ${columns?.values ?? ""} FROM made m
          CROSS JOIN (SELECT p.* FROM maestro.plans p JOIN maestro.goals g USING (org_id, plan_id) WHERE g.name = 'pattern' LIMIT 1) p`);
        for (const term of [
          `'["label","team","' || team || '"]'`,
          `'["label","nr","' || n || '"]'`,
          `'["attribute","size",' || size || ']'`,
        ])
          await tx.unsafe(`INSERT INTO maestro.goal_terms (org_id, plan_id, term)
            SELECT '${org.org_id}', id, (substr(h, 1, 12) || '8' || substr(h, 14, 3) || '8' || substr(h, 18, 15))::uuid
            FROM (SELECT id, encode(sha256(convert_to(${term}, 'UTF8')), 'hex') AS h FROM made) x`);
      });
    }
    await sql`ANALYZE maestro.goals`;
    await sql`ANALYZE maestro.goal_terms`;
    await sql`ANALYZE maestro.plans`;
  } finally {
    await sql.end();
  }
}
