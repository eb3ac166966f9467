// Brings a database's schema up to date: plain .sql files, in order, each in one transaction. Not here: what they say.
import { createHash } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { openClient } from "./connection.ts";
import type { Connection } from "./lane.ts";
import { toStoreTrouble } from "./trouble.ts";

export interface MigrateOptions {
  /** Straight to the server: a pooler in transaction mode would lose the lock. */
  readonly url: string;
  readonly log: (line: string) => void;
  /** How long to wait for another server that migrates, ms. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** Where the files are; besides tests, the folder beside this file. */
  readonly folder?: URL;
  /** The last migration to apply; the newest unless set. For rows that are older than this build. */
  readonly through?: number;
}

/** The database cannot be brought to the schema that this build works on. `message` says what to do. */
export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly text: string;
  readonly checksum: string;
  /** Version of the oldest build (its newest migration) that can still work on the schema after this one. */
  readonly oldestCompatible: number;
}

interface Applied {
  readonly version: number;
  readonly name: string;
  readonly checksum: string;
  readonly oldest_compatible: number;
}

/** Taken for the session: two servers that start together must not migrate at the same time. */
export const MIGRATION_LOCK = 7_737_001_978;
const POLL_MS = 100;
/** Those of this build. */
export const MIGRATIONS = new URL("./migrations/", import.meta.url);

/** Applies what is missing, and says how many migrations that were. Throws MigrationError or store trouble. */
export async function migrate(options: MigrateOptions): Promise<number> {
  const migrations = await readMigrations(options.folder ?? MIGRATIONS);
  const client = openClient({ url: options.url, poolSize: 1, applicationName: "maestro migrate" });
  const connection = await client.reserve(options.signal);
  try {
    await checkEngine(connection);
    await lock(connection, options);
    // A plan may take its time here; waiting for the tables of a server at work may not.
    await connection.unsafe(
      "SET statement_timeout = 0; SET lock_timeout = '5s'; SET plan_cache_mode = auto; SET enable_seqscan = on",
    );
    const applied = await history(connection);
    checkHistory(applied, migrations);
    const wanted = migrations.slice(0, options.through ?? migrations.length);
    const missing = wanted.filter(({ version }) => !applied.some((a) => a.version === version));
    for (const migration of missing) {
      options.signal?.throwIfAborted();
      await apply(connection, migration);
      options.log(`Applied migration ${String(migration.version)} (${migration.name}).`);
    }
    return missing.length;
  } catch (error) {
    const trouble = toStoreTrouble(error);
    if (trouble !== error && error instanceof Error) options.log(error.message);
    throw trouble;
  } finally {
    // Its end also ends the lock.
    connection.discard();
    connection.release();
    await client.end();
  }
}

/** The migrations of a folder, in order. */
export async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(
    names.map(async (file, i) => {
      const [, digits = "", name = ""] = /^(\d{4})_(\w+)\.sql$/.exec(file) ?? [];
      if (Number(digits) !== i + 1) throw new MigrationError(`The migration ${file} breaks the sequence.`);
      const text = await readFile(new URL(file, folder), "utf8");
      const [, oldest] = /^-- oldest compatible: (\d+)$/m.exec(text) ?? [];
      const checksum = createHash("sha256").update(text).digest("hex");
      return { version: i + 1, name, text, checksum, oldestCompatible: oldest === undefined ? i + 1 : Number(oldest) };
    }),
  );
}

/** Whether this build may work on a database with that history. */
export function checkHistory(applied: readonly Applied[], known: readonly Migration[]): void {
  const newest = known.at(-1)?.version ?? 0;
  for (const { version, name, checksum, oldest_compatible: oldest } of applied) {
    const own = known.find((m) => m.version === version);
    if (own !== undefined && own.checksum !== checksum) {
      throw new MigrationError(
        `Migration ${String(version)} (${name}) of this database is not the one of this build. Use the build that made the database.`,
      );
    }
    if (own === undefined && oldest > newest) {
      throw new MigrationError(
        `The database is newer than this build: its migration ${String(version)} (${name}) needs a build with migration ${String(oldest)}, this one has ${String(newest)}. Use a newer build.`,
      );
    }
  }
}

async function checkEngine(connection: Connection): Promise<void> {
  const [row] = await connection.unsafe<{ version: number; encoding: string; standby: boolean }[]>(
    "SELECT current_setting('server_version_num')::int AS version, current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby",
  );
  if (row === undefined || row.version < 150_000) throw new MigrationError("Maestro needs Postgres 15 or newer.");
  if (row.encoding !== "UTF8")
    throw new MigrationError(`The database is encoded in ${row.encoding}; make one WITH ENCODING 'UTF8'.`);
  if (row.standby)
    throw new MigrationError("The database is a standby, which cannot be written. Use the address of the primary.");
}

/** A poll, not a wait: a waiting pg_advisory_lock holds a snapshot, and with it CREATE INDEX CONCURRENTLY of the one that migrates. */
async function lock(connection: Connection, options: MigrateOptions): Promise<void> {
  for (let left = options.waitMs ?? 60_000; ; left -= POLL_MS) {
    const [row] = await connection.unsafe<{ taken: boolean }[]>(
      `SELECT pg_try_advisory_lock(${String(MIGRATION_LOCK)}) AS taken`,
    );
    if (row?.taken === true) return;
    if (left <= 0)
      throw new MigrationError("Another server is still migrating this database. Start again when it is done.");
    await delay(POLL_MS, undefined, options.signal === undefined ? {} : { signal: options.signal });
  }
}

async function history(connection: Connection): Promise<readonly Applied[]> {
  await connection.unsafe(
    `CREATE SCHEMA IF NOT EXISTS maestro;
     CREATE TABLE IF NOT EXISTS maestro.schema_migrations (
       version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, applied_ms bigint NOT NULL, oldest_compatible integer NOT NULL)`,
  );
  return connection.unsafe<Applied[]>(
    "SELECT version, name, checksum, oldest_compatible FROM maestro.schema_migrations ORDER BY version",
  );
}

async function apply(connection: Connection, migration: Migration): Promise<void> {
  const { version, name, text, checksum, oldestCompatible } = migration;
  try {
    await connection.unsafe("BEGIN");
    await connection.unsafe(text);
    await connection.unsafe(
      "INSERT INTO maestro.schema_migrations (version, name, checksum, applied_ms, oldest_compatible) VALUES ($1, $2, $3, maestro.clock_ms(), $4)",
      [version, name, checksum, oldestCompatible],
    );
    await connection.unsafe("COMMIT");
  } catch (error) {
    await connection.unsafe("ROLLBACK").catch(() => undefined);
    throw error;
  }
}
