// What bare rows cost where nothing else is done: a commit of one row, commits in turn, the insertion of as many rows as a large
// graph has steps. No operation that keeps its promise can be faster. Not here: steps by the batch, see sql-ceiling.ts.
import postgres from "postgres";
import { median, quantile } from "./stage.ts";

export interface RowCeiling {
  /** An UPDATE of one row, committed, over one connection: there and back, ms. */
  readonly commitP50Ms: number;
  readonly commitP99Ms: number;
  /** As many of them in turn as a chain of three steps has commits. */
  readonly chainP50Ms: number;
  readonly commits: number;
}

/** Commits of a chain of three steps, one after another: the plan and three outcomes, each taking the lease that it makes possible along. */
export const CHAIN_COMMITS = 4;

export async function rowCeiling(url: string, commits: number): Promise<RowCeiling> {
  return await onBareTable(url, async (sql) => {
    await sql`INSERT INTO bench_rows.steps (plan, ordinal) SELECT 0, o FROM generate_series(1, 100) o`;
    const taken: number[] = [];
    for (let i = -50; i < commits; i++) {
      const beganMs = performance.now();
      await sql`UPDATE bench_rows.steps SET fencing = fencing + 1 WHERE plan = 0 AND ordinal = ${(Math.abs(i) % 100) + 1}`;
      // The first ones warm connection and caches up.
      if (i >= 0) taken.push(performance.now() - beganMs);
    }
    const chains: number[] = [];
    for (let i = 0; i + CHAIN_COMMITS <= taken.length; i += CHAIN_COMMITS)
      chains.push(taken.slice(i, i + CHAIN_COMMITS).reduce((sum, ms) => sum + ms, 0));
    return {
      commitP50Ms: median(taken),
      commitP99Ms: quantile(taken, 0.99),
      chainP50Ms: median(chains),
      commits,
    };
  });
}

/** Seconds that it takes to insert so many rows with inputs of 200 bytes in one statement; the median of three. */
export async function insertCeiling(url: string, rows: number): Promise<number> {
  return await onBareTable(url, async (sql) => {
    const ordinals = `{${Array.from({ length: rows }, (_, i) => i + 1).join(",")}}`;
    const inputs = `{${Array.from({ length: rows }, () => "i".repeat(200)).join(",")}}`;
    const taken: number[] = [];
    for (let plan = 1; plan <= 3; plan++) {
      const beganMs = performance.now();
      await sql.unsafe(
        "INSERT INTO bench_rows.steps (plan, ordinal, input) SELECT $1::int, o, i FROM unnest($2::int[], $3::text[]) AS t(o, i)",
        [plan, ordinals, inputs],
      );
      taken.push((performance.now() - beganMs) / 1_000);
    }
    return median(taken);
  });
}

async function onBareTable<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    await sql`DROP SCHEMA IF EXISTS bench_rows CASCADE`;
    await sql`CREATE SCHEMA bench_rows`;
    await sql`CREATE TABLE bench_rows.steps (plan integer, ordinal integer, fencing bigint NOT NULL DEFAULT 0, input text,
      PRIMARY KEY (plan, ordinal)) WITH (fillfactor = 50)`;
    return await work(sql);
  } finally {
    await sql`DROP SCHEMA IF EXISTS bench_rows CASCADE`;
    await sql.end();
  }
}
