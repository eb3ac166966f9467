// What bare, set-based SQL does on rows of the same kind: claim and complete, no joins of plans, no locks on them, no records
// beyond one row an outcome. The ceiling of any design that keeps a row per step. Not here: our own statements.
import postgres from "postgres";

const PLANS = 24_000;
const EDGES = "(1,6),(2,6),(2,7),(3,7),(3,8),(4,8),(5,8),(4,9),(5,9),(6,10),(7,10),(8,10)";

/** The better of batches of 100 and of 1,000, two connections; steps a second, median of the windows. */
export async function sqlCeiling(
  url: string,
  seconds: number,
  windows: number,
): Promise<{ readonly best: number; readonly by100: number; readonly by1000: number }> {
  const sql = postgres(url, { max: 2, onnotice: () => undefined, connection: { random_page_cost: 1.1, jit: false } });
  try {
    const by100 = await measure(sql, 100, seconds, windows);
    const by1000 = await measure(sql, 1_000, seconds, windows);
    return { best: Math.max(by100, by1000), by100, by1000 };
  } finally {
    await sql`DROP SCHEMA IF EXISTS bench_ceiling CASCADE`;
    await sql.end();
  }
}

async function measure(sql: postgres.Sql, size: number, seconds: number, windows: number): Promise<number> {
  await prepare(sql);
  let done = 0;
  let stopped = false;
  const worker = async (): Promise<void> => {
    const connection = await sql.reserve();
    try {
      while (!stopped) {
        const count = await round(connection, size);
        done += count;
        if (count === 0) return;
      }
    } finally {
      connection.release();
    }
  };
  const workers = [worker(), worker()];
  const rates: number[] = [];
  for (let i = 0; i < windows; i++) {
    const before = done;
    const beganMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    // A window in which the rows ran out says nothing.
    if (done < PLANS * 10 * 0.98) rates.push(((done - before) * 1_000) / (performance.now() - beganMs));
  }
  stopped = true;
  await Promise.all(workers);
  return rates.sort((a, b) => a - b)[rates.length >> 1] ?? done / seconds;
}

async function prepare(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    DROP SCHEMA IF EXISTS bench_ceiling CASCADE;
    CREATE SCHEMA bench_ceiling;
    CREATE TABLE bench_ceiling.steps (plan integer, ordinal integer, state text COLLATE "C", waiting integer, order_key bigint, fencing bigint DEFAULT 0,
      executor uuid, session uuid, input text, PRIMARY KEY (plan, ordinal)) WITH (fillfactor = 50);
    CREATE TABLE bench_ceiling.edges (plan integer, source integer, target integer, PRIMARY KEY (plan, source, target));
    CREATE TABLE bench_ceiling.outcomes (plan integer, ordinal integer, fencing bigint, output text, at timestamptz, PRIMARY KEY (plan, ordinal, fencing));
    INSERT INTO bench_ceiling.steps SELECT p, o, CASE WHEN o <= 5 THEN 'READY' ELSE 'PENDING' END,
      CASE WHEN o <= 5 THEN 0 ELSE (SELECT count(*) FROM (VALUES ${EDGES}) e(s, t) WHERE t = o) END,
      CASE WHEN o <= 5 THEN p::bigint * 10 + o END, 0, NULL, NULL, repeat('i', 200) FROM generate_series(1, ${PLANS}) p, generate_series(1, 10) o;
    INSERT INTO bench_ceiling.edges SELECT p, s, t FROM generate_series(1, ${PLANS}) p, (VALUES ${EDGES}) e(s, t);
    CREATE INDEX ON bench_ceiling.steps (order_key) WHERE order_key IS NOT NULL;`);
  await sql.unsafe("VACUUM ANALYZE bench_ceiling.steps, bench_ceiling.edges");
}

async function round(sql: postgres.ReservedSql, size: number): Promise<number> {
  // The limit is literal: with a parameter the planner takes it for a tenth of the table.
  const claimed = await sql.unsafe<{ plan: number; ordinal: number; fencing: string }[]>(
    `WITH head AS (SELECT plan, ordinal FROM bench_ceiling.steps WHERE order_key IS NOT NULL ORDER BY order_key LIMIT ${size} FOR UPDATE SKIP LOCKED)
     UPDATE bench_ceiling.steps s SET state = 'LEASED', order_key = NULL, fencing = s.fencing + 1, executor = '00000000-0000-0000-0000-000000000001', session = '00000000-0000-0000-0000-000000000002'
     FROM head WHERE s.plan = head.plan AND s.ordinal = head.ordinal RETURNING s.plan, s.ordinal, s.fencing`,
    [],
    { prepare: true },
  );
  if (claimed.length === 0) return 0;
  const column = (of: (row: (typeof claimed)[number]) => number | string): string => `{${claimed.map(of).join(",")}}`;
  const output = `{${claimed.map(() => "o".repeat(200)).join(",")}}`;
  await persistently(() =>
    sql.unsafe(
      `WITH told AS (SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::text[]) AS t(plan, ordinal, fencing, output)),
     done AS (UPDATE bench_ceiling.steps s SET state = 'SUCCEEDED', executor = NULL, session = NULL FROM told t WHERE s.plan = t.plan AND s.ordinal = t.ordinal AND s.fencing = t.fencing RETURNING s.plan, s.ordinal, t.fencing, t.output),
     kept AS (INSERT INTO bench_ceiling.outcomes SELECT plan, ordinal, fencing, output, clock_timestamp() FROM done),
     freed AS (SELECT e.plan, e.target, count(*)::int AS ends FROM done d JOIN bench_ceiling.edges e ON e.plan = d.plan AND e.source = d.ordinal GROUP BY 1, 2)
     UPDATE bench_ceiling.steps s SET waiting = s.waiting - f.ends, state = CASE WHEN s.waiting = f.ends THEN 'READY' ELSE s.state END,
       order_key = CASE WHEN s.waiting = f.ends THEN s.plan::bigint * 10 + s.ordinal ELSE NULL END
     FROM freed f WHERE s.plan = f.plan AND s.ordinal = f.target`,
      [column((r) => r.plan), column((r) => r.ordinal), column((r) => r.fencing), output],
      { prepare: true },
    ),
  );
  return claimed.length;
}

/** Two batches that release the same joins may meet in a deadlock; one of them is run again. */
async function persistently(work: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await work();
      return;
    } catch (error) {
      if (!(error instanceof postgres.PostgresError) || error.code !== "40P01") throw error;
    }
  }
}
