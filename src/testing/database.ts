// The database of a test server: an engine in a temporary folder, and its clock, which can be moved. Not here: who moves it,
// see server.ts.
import { rmSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { startEmbedded } from "../store/postgres/engines/embedded.ts";

export interface TestDatabase {
  readonly url: string;
  /** Moves the database's clock that far ahead of its machine's; whoever lives lived through the time that is skipped. */
  setAhead(aheadMs: number): Promise<void>;
  /** When the next thing of a plan is due, milliseconds since the epoch: a retry after its wait, for example. */
  nextDueMs(planId: string): Promise<number | undefined>;
  close(): Promise<void>;
}

/** Months for which partitions are made, as the server does. */
const PARTITION_MONTHS = 3;

export async function startDatabase(): Promise<TestDatabase> {
  const folder = await mkdtemp(join(tmpdir(), "maestro-testing-"));
  // Whoever ends without closing leaves no folder behind; the engine ends with its process by itself.
  const sweep = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  process.once("exit", sweep);
  const clean = async (): Promise<void> => {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    process.off("exit", sweep);
  };
  try {
    // As root the engine runs as another account, which must be able to pass.
    await chmod(folder, 0o711);
    // Nothing here has to survive a power failure.
    const engine = await startEmbedded({ dataDir: join(folder, "data"), log: () => undefined, settings: SETTINGS });
    // As the application's login, which owns the tables: what it makes, the server may use.
    const sql = postgres(engine.url, { max: 1, onnotice: () => undefined, connection: { "maestro.platform": "on" } });
    return {
      url: engine.url,
      setAhead: (aheadMs) => setAhead(sql, aheadMs),
      nextDueMs: async (planId) => {
        const [row] = await sql<{ due: string | null }[]>`
          SELECT min(due_ms) AS due FROM maestro.timers WHERE plan_id = ${planId}::uuid`;
        const due = row?.due ?? null;
        return due === null ? undefined : Number(due);
      },
      close: async () => {
        await sql.end({ timeout: 1 });
        await engine.stop(AbortSignal.abort());
        await clean();
      },
    };
  } catch (error) {
    await clean();
    throw error;
  }
}

const SETTINGS = { fsync: "off", synchronous_commit: "off", full_page_writes: "off" };

/**
 * `maestro.clock()` is the only clock that statements ask; here it is made anew with the difference in it, and plans that hold the
 * old one are thrown away by Postgres itself. The lock keeps a session from being renewed by a clock that has just been replaced.
 * `sql` is a connection of the application's login that sees the platform.
 */
export async function setAhead(sql: postgres.Sql, aheadMs: number): Promise<void> {
  const ms = Math.round(aheadMs);
  await sql.begin(async (tx) => {
    await tx`LOCK TABLE maestro.server_sessions IN EXCLUSIVE MODE`;
    const [before] = await tx<{ ms: string }[]>`SELECT maestro.clock_ms() AS ms`;
    await tx.unsafe(
      `CREATE OR REPLACE FUNCTION maestro.clock() RETURNS timestamptz LANGUAGE sql VOLATILE PARALLEL SAFE
       AS $$ SELECT clock_timestamp() + interval '${ms} milliseconds' $$`,
    );
    await tx`
      UPDATE maestro.server_sessions SET expires_ms = expires_ms + (maestro.clock_ms() - ${before?.ms ?? 0}::bigint)
      WHERE ended_ms IS NULL AND expires_ms > ${before?.ms ?? 0}::bigint`;
    await tx`SELECT maestro.ensure_partitions(maestro.clock_ms(), ${PARTITION_MONTHS})`;
  });
}
