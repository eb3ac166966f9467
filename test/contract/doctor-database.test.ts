// What `maestro doctor` says of a database and of the work in it: each fault in a database of its own, on every server of the run.
// Not here: the engine, see doctor-engine.test.ts.
import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { afterEach, describe, expect, test } from "vitest";
import { examineDatabase } from "../../src/store/postgres/doctor/database.ts";
import type { DatabaseSurroundings } from "../../src/store/postgres/doctor/database.ts";
import { systemClock } from "../../src/support/clock.ts";
import type { Finding } from "../../src/support/finding.ts";
import { asAdmin, makeBareDatabase, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { fill } from "../support/filled.ts";
import { servers } from "../support/store.ts";

describe.each(servers())("on $name", (server) => {
  const made: TestDatabase[] = [];
  const others: string[] = [];
  afterEach(async () => {
    for (const one of made.splice(0)) await one.drop();
    for (const name of others.splice(0)) await asAdmin(server.adminUrl, (sql) => sql.unsafe(`DROP DATABASE ${name}`));
  });
  async function database(make = makeDatabase): Promise<TestDatabase> {
    const one = await make(server);
    made.push(one);
    return one;
  }
  const sql = (of: TestDatabase, text: string): Promise<unknown> => asAdmin(of.adminUrl, (run) => run.unsafe(text));
  const roleOf = (of: TestDatabase): string => new URL(of.url).username;

  async function examine(of: TestDatabase | string, more: Partial<DatabaseSurroundings> = {}) {
    const url = typeof of === "string" ? of : of.url;
    return examineDatabase({ url, clock: systemClock, connections: 18, ...more });
  }
  async function only(check: string, of: TestDatabase | string, more?: Partial<DatabaseSurroundings>) {
    const found = (await examine(of, more)).filter((finding) => finding.check === check);
    expect(found).toHaveLength(1);
    return found[0];
  }
  const bad = (findings: readonly Finding[]): readonly string[] =>
    findings.filter(({ state }) => state !== "ok").map(({ check }) => check);

  test("finds nothing wrong with a fresh one, with or without a schema, and changes nothing", async () => {
    const bare = await database(makeBareDatabase);
    // The servers of tests do without fsync.
    const known = ["database.durability"];
    expect(bad(await examine(bare)).filter((check) => !known.includes(check))).toEqual([]);
    const [schema] = await asAdmin(bare.adminUrl, (run) => run`SELECT to_regnamespace('maestro') AS schema`);
    expect(schema).toEqual({ schema: null });
    const fresh = await examine(await database());
    expect(bad(fresh).filter((check) => !known.includes(check))).toEqual([]);
    expect(fresh.map(({ check }) => check)).toContain("work.takers");
  });

  test("that does not answer, refuses the login, or lets in whom nothing binds, is told without its password", async () => {
    expect(await only("database.reach", "postgres://a:secret@127.0.0.1:1/x")).toMatchObject({
      state: "fail",
      found: expect.not.stringContaining("secret") as unknown,
    });
    const one = await database();
    const wrong = new URL(one.url);
    wrong.pathname = "/none_of_that_name";
    expect(await only("database.reach", wrong.href)).toMatchObject({
      state: "fail",
      found: /no such database|refuses/,
    });
    expect(await only("database.role", one.adminUrl)).toMatchObject({ state: "fail", found: /superuser/ });
  });

  test("in another encoding", async () => {
    const name = `maestro_test_latin_${randomUUID().slice(0, 8)}`;
    const url = new URL((await database()).url);
    await asAdmin(server.adminUrl, async (run) => {
      await run.unsafe(
        `CREATE DATABASE ${name} OWNER ${url.username} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C' LOCALE_PROVIDER libc`,
      );
    });
    others.push(name);
    url.pathname = `/${name}`;
    expect(await only("database.encoding", url.href)).toMatchObject({ state: "fail", found: /LATIN1/ });
  });

  test("that is read-only", async () => {
    const one = await database();
    await sql(one, `ALTER DATABASE ${one.name} SET default_transaction_read_only = on`);
    expect(await only("database.writing", one)).toMatchObject({ state: "fail", found: /read-only/ });
  });

  test("that loses what it acknowledged", async () => {
    const one = await database();
    await sql(one, `ALTER DATABASE ${one.name} SET synchronous_commit = off`);
    expect(await only("database.durability", one)).toMatchObject({ state: "warn", found: /synchronous_commit/ });
  });

  test("with fewer connections than a server takes, or fewer left", async () => {
    const one = await database();
    const { found = "" } = (await only("database.connections", one)) ?? {};
    const most = Number(/takes (\d+)/.exec(found)?.[1]);
    expect(await only("database.connections", one, { connections: most + 1 })).toMatchObject({ state: "fail" });
    const client = postgres(one.url, { max: 1 });
    await client`SELECT 1`;
    expect(await only("database.connections", one, { connections: most })).toMatchObject({ state: "warn" });
    await client.end();
  });

  test("whose clock is another", async () => {
    const one = await database();
    const late = (ms: number) => ({ clock: { ...systemClock, nowMs: () => systemClock.nowMs() - ms } });
    expect(await only("database.clock", one, late(10_000))).toMatchObject({ state: "warn", found: /10\.\d s apart/ });
    expect(await only("database.clock", one, late(-3_600_000))).toMatchObject({ state: "fail", remedy: /NTP/ });
  });

  test("where the role may not make, use or own the schema", async () => {
    const bare = await database(makeBareDatabase);
    await sql(
      bare,
      `ALTER DATABASE ${bare.name} OWNER TO CURRENT_USER; REVOKE ALL ON DATABASE ${bare.name} FROM PUBLIC; GRANT CONNECT ON DATABASE ${bare.name} TO ${roleOf(bare)}`,
    );
    expect(await only("database.rights", bare)).toMatchObject({ state: "fail", found: /may not make one/ });
    const closed = await database();
    await sql(closed, "ALTER SCHEMA maestro OWNER TO CURRENT_USER");
    expect(await only("database.rights", closed)).toMatchObject({ state: "fail", found: /may not use it/ });
    const others = await database();
    await sql(others, `ALTER TABLE maestro.steps OWNER TO CURRENT_USER`);
    expect(await only("database.rights", others)).toMatchObject({
      state: "fail",
      found: /1 table belongs .*\(steps\)/,
    });
  });

  test("with a schema of another build, or an older one", async () => {
    const other = await database();
    await sql(other, "UPDATE maestro.schema_migrations SET checksum = 'x' WHERE version = 1");
    expect(await only("database.schema", other)).toMatchObject({ state: "fail", found: /not the one of this build/ });
    const newer = await database();
    await sql(newer, "INSERT INTO maestro.schema_migrations VALUES (900, 'later', 'x', 1, 900)");
    const found = await examine(newer);
    expect(found.find(({ check }) => check === "database.schema")).toMatchObject({ state: "fail", found: /newer/ });
    // Its tables are not for this build to judge.
    expect(found.map(({ check }) => check)).not.toContain("work.leases");
    const older = await database();
    await sql(
      older,
      "DELETE FROM maestro.schema_migrations WHERE version = (SELECT max(version) FROM maestro.schema_migrations)",
    );
    expect(await only("database.schema", older)).toMatchObject({ state: "warn", found: /this build brings/ });
  });

  test("whose isolation was lifted", async () => {
    const one = await database();
    await sql(one, "ALTER TABLE maestro.goals NO FORCE ROW LEVEL SECURITY");
    expect(await only("database.isolation", one)).toMatchObject({ state: "fail", found: /not forced on goals/ });
  });

  test("without partitions for this month, or for the next, or with rows of months that have none", async () => {
    const one = await database();
    const drop = (months: number) =>
      sql(
        one,
        `DO $$ BEGIN EXECUTE 'DROP TABLE maestro.records_' || to_char((maestro.clock() AT TIME ZONE 'UTC') + make_interval(months => ${months}), 'YYYYMM'); END $$`,
      );
    await drop(1);
    expect(await only("database.partitions", one)).toMatchObject({ state: "warn", found: /records_\d{6}\.$/ });
    await drop(0);
    expect(await only("database.partitions", one)).toMatchObject({
      state: "fail",
      found: /This month .* records_\d{6}\.$/,
    });
    await fill(one.adminUrl, { orgs: 1, plansEach: 2, stepsEach: 1 });
    expect(await only("database.strays", one)).toMatchObject({ state: "warn", found: /records_other/ });
  });

  describe("work", () => {
    const LIVE = "INSERT INTO maestro.server_sessions VALUES (gen_random_uuid(), '10.0.0.1', '1.0', 1, 9e15)";
    async function leased(): Promise<TestDatabase> {
      const one = await database();
      const { sessionId } = await fill(one.adminUrl, { orgs: 1, plansEach: 2, stepsEach: 2 });
      await sql(
        one,
        `UPDATE maestro.plans SET steps_running = 2;
         UPDATE maestro.steps SET state = 'LEASED', order_key = NULL, session_id = '${sessionId}', fencing = 1`,
      );
      return one;
    }

    test("whose leases belong to servers that are gone waits for a server, or is told when one does not return them", async () => {
      const one = await leased();
      expect(await only("work.leases", one)).toMatchObject({
        state: "warn",
        found: "4 leases in 2 plans belong to servers that are gone.",
        remedy: "Start a server.",
      });
      await sql(one, LIVE);
      expect(await only("work.servers", one)).toMatchObject({ found: /Maestro 1\.0 listening on 10\.0\.0\.1/ });
      expect(await only("work.leases", one)).toMatchObject({ state: "fail", remedy: /logs/ });
      await sql(one, "UPDATE maestro.server_sessions SET expires_ms = maestro.clock_ms() - 1000 WHERE expires_ms = 1");
      expect(await only("work.leases", one)).toMatchObject({ state: "warn", found: /4 leases/ });
      await sql(one, "UPDATE maestro.server_sessions SET expires_ms = 9e15");
      expect(await only("work.leases", one)).toMatchObject({ state: "ok" });
    });

    test("that no executor could take, or whose executors are away, is named by what it asks for", async () => {
      const one = await database();
      const { sessionId } = await fill(one.adminUrl, { orgs: 1, plansEach: 1, stepsEach: 2 });
      await sql(
        one,
        `UPDATE maestro.demands SET capability = 'resize', labels = '{"gpu": "a100"}', min_trust = 0.5;
         UPDATE maestro.steps SET demand_id = (SELECT demand_id FROM maestro.demands);
         UPDATE maestro.executors SET name = 'r1', capabilities = '{resize}', labels = '{}', trust = 1, session_id = NULL`,
      );
      const takers = () => only("work.takers", one);
      expect(await takers()).toMatchObject({
        state: "warn",
        found: /no executor could take: .* resize with gpu=a100, trust from 0\.5\./,
      });
      await sql(one, `UPDATE maestro.executors SET labels = '{"gpu": "a100"}'`);
      expect(await takers()).toMatchObject({ state: "warn", found: /not attached: .*resize with .* \(r1\)/ });
      await sql(
        one,
        `UPDATE maestro.executors SET session_id = '${sessionId}'; UPDATE maestro.server_sessions SET expires_ms = 9e15`,
      );
      expect(await takers()).toMatchObject({ state: "ok" });
      await sql(one, "UPDATE maestro.executors SET state = 'DRAINING'");
      expect(await takers()).toMatchObject({ state: "warn", found: /no executor could take/ });
    });
  });
});
