// The migration runner: order, concurrency, and which databases it refuses.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { migrate, MigrationError } from "../../src/store/postgres/migrate.ts";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { asAdmin, makeBareDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { servers } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  let database: TestDatabase;
  let folder: string;
  const run = (files?: URL, url = database.url): Promise<number> =>
    migrate({ url, log: () => undefined, ...(files === undefined ? {} : { folder: files }) });

  beforeEach(async () => {
    database = await makeBareDatabase(server);
    folder = await mkdtemp(join(tmpdir(), "maestro-migrations-"));
  });
  afterEach(async () => {
    await database.drop();
    await rm(folder, { recursive: true });
  });

  /** A folder of migrations: the clock that every history needs, then these. */
  async function files(...texts: readonly string[]): Promise<URL> {
    const clock =
      "CREATE OR REPLACE FUNCTION maestro.clock_ms() RETURNS bigint LANGUAGE sql AS $$ SELECT 1::bigint $$;";
    await Promise.all(
      [clock, ...texts].map((text, i) => writeFile(join(folder, `${String(i + 1).padStart(4, "0")}_step.sql`), text)),
    );
    return pathToFileURL(`${folder}/`);
  }
  const tables = (): Promise<readonly string[]> =>
    asAdmin(database.adminUrl, async (sql) =>
      (
        await sql<
          { name: string }[]
        >`SELECT relname AS name FROM pg_class WHERE relnamespace = 'maestro'::regnamespace AND relkind = 'r' AND relname LIKE 't%' ORDER BY 1`
      ).map((row) => row.name),
    );

  test("an empty database gets the schema, and a second run changes nothing", async () => {
    expect(await run()).toBeGreaterThan(0);
    expect(await run()).toBe(0);
  });

  test("servers that start together migrate once", async () => {
    const made = await Promise.all(Array.from({ length: 4 }, () => run()));
    expect(made.filter((count) => count > 0)).toHaveLength(1);
  });

  test("only what is missing is applied", async () => {
    expect(await run(await files("CREATE TABLE maestro.t1 ()"))).toBe(2);
    expect(await run(await files("CREATE TABLE maestro.t1 ()", "CREATE TABLE maestro.t2 ()"))).toBe(1);
    expect(await tables()).toEqual(["t1", "t2"]);
  });

  test("a migration that fails leaves nothing of itself, and those before it stay", async () => {
    const broken = await files("CREATE TABLE maestro.t1 ()", "CREATE TABLE maestro.t2 (); SELECT 1 / 0;");
    await expect(run(broken)).rejects.toThrow("22012");
    expect(await tables()).toEqual(["t1"]);
    expect(await run(await files("CREATE TABLE maestro.t1 ()", "CREATE TABLE maestro.t2 ()"))).toBe(1);
  });

  test("a history that is not ours is refused", async () => {
    await run(await files("CREATE TABLE maestro.t1 ()"));
    await expect(run(await files("CREATE TABLE maestro.t1 (a int)"))).rejects.toThrow(MigrationError);
  });

  test("a newer database is refused, unless it says that this build may still work on it", async () => {
    await run(await files("CREATE TABLE maestro.t1 ()"));
    await asAdmin(
      database.adminUrl,
      (sql) => sql`INSERT INTO maestro.schema_migrations VALUES (3, 'expand', 'x', 1, 2)`,
    );
    expect(await run(await files("CREATE TABLE maestro.t1 ()"))).toBe(0);
    await asAdmin(
      database.adminUrl,
      (sql) => sql`INSERT INTO maestro.schema_migrations VALUES (4, 'contract', 'y', 1, 3)`,
    );
    await expect(run(await files("CREATE TABLE maestro.t1 ()"))).rejects.toThrow(/newer than this build/);
  });

  test("what a migration says of the oldest build that it suits is kept", async () => {
    await run(await files("-- oldest compatible: 1\nCREATE TABLE maestro.t1 ()"));
    const rows = await asAdmin(
      database.adminUrl,
      (sql) =>
        sql<
          { version: number; oldest_compatible: number }[]
        >`SELECT version, oldest_compatible FROM maestro.schema_migrations ORDER BY version`,
    );
    expect(rows.map((row) => row.oldest_compatible)).toEqual([1, 1]);
  });

  test("a gap in the numbers is refused", async () => {
    const gap = await files();
    await writeFile(join(folder, "0003_later.sql"), "SELECT 1");
    await expect(run(gap)).rejects.toThrow(/breaks the sequence/);
  });

  test("a server that migrates too long is not waited for", async () => {
    await asAdmin(database.adminUrl, async (sql) => {
      await sql`SELECT pg_advisory_lock(7737001978)`;
      await expect(migrate({ url: database.url, log: () => undefined, waitMs: 0 })).rejects.toThrow(/still migrating/);
    });
  });

  test("a database that is not UTF-8 is refused", async () => {
    const name = `${database.name}_latin`;
    await asAdmin(server.adminUrl, (sql) =>
      sql.unsafe(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' OWNER maestro_test_app`),
    );
    const url = new URL(database.url);
    url.pathname = `/${name}`;
    await expect(run(undefined, url.href)).rejects.toThrow(/LATIN1/);
    await asAdmin(server.adminUrl, (sql) => sql.unsafe(`DROP DATABASE ${name}`));
  });

  test("a database that is away is store trouble", async () => {
    const url = new URL(database.url);
    url.port = "1";
    await expect(run(undefined, url.href)).rejects.toBeInstanceOf(StoreUnavailableError);
  });
});
