// An installation moves whole or not at all: what arrives, and what is refused before anything is changed. Between all servers of
// the run. Not here: the commands, and plans that go on afterwards (test/cli/move.test.ts).
import { createHash } from "node:crypto";
import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { migrate, MIGRATIONS, readMigrations } from "../../src/store/postgres/migrate.ts";
import { exportInstallation } from "../../src/store/postgres/move/export.ts";
import type { ExportOptions, Moved } from "../../src/store/postgres/move/export.ts";
import { importInstallation, inspectFor } from "../../src/store/postgres/move/import.ts";
import type { ImportOptions } from "../../src/store/postgres/move/import.ts";
import { asAdmin, makeBareDatabase, makeDatabase } from "../support/database.ts";
import type { TestDatabase, TestServer } from "../support/database.ts";
import { digests, fill, OLD_MONTH } from "../support/filled.ts";
import { servers } from "../support/store.ts";

const made: TestDatabase[] = [];
let folder: string;
let source: TestDatabase;
let file: string;
let sessionId: string;

const [home] = servers();
async function database(server: TestServer | undefined = home, bare = false): Promise<TestDatabase> {
  if (server === undefined) throw new Error("there is no database server");
  const one = await (bare ? makeBareDatabase(server) : makeDatabase(server));
  made.push(one);
  return one;
}

async function take(url: string, to: string, more: Partial<ExportOptions> = {}): Promise<Moved> {
  return exportInstallation({
    url,
    sink: (bytes) => appendFile(to, bytes),
    build: "test",
    exportedAt: "2026-01-01T00:00:00.000Z",
    live: "refuse",
    onWarning: () => undefined,
    onTable: () => undefined,
    ...more,
  });
}

async function bring(url: string, from = file, more: Partial<ImportOptions> = {}): Promise<Moved> {
  const manifest = await inspectFor(from);
  return importInstallation(manifest, {
    url,
    file: from,
    ignoreLive: false,
    log: () => undefined,
    onTable: () => undefined,
    ...more,
  });
}

/** Statements as the administrator. */
function sql<T>(of: TestDatabase, text: string): Promise<readonly T[]> {
  return asAdmin(of.adminUrl, async (run) => [...(await run.unsafe(text))] as T[]);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "maestro-move-"));
  source = await database();
  ({ sessionId } = await fill(source.adminUrl, { orgs: 103, plansEach: 2, stepsEach: 5 }));
  file = join(folder, "source.export");
  await take(source.url, file);
});
afterEach(async () => {
  for (const one of made.splice(0)) if (one !== source) await one.drop();
});
afterAll(async () => {
  await source.drop();
  await rm(folder, { recursive: true, force: true });
});

const pairs = servers().flatMap((from) => servers().map((to) => [from.name, to.name, from, to] as const));
describe.each(pairs)("from %s to %s", (_from, _to, from, to) => {
  test("every row arrives as it was, from many orgs and in the partition of its month, and back again", async () => {
    const first = await database(from);
    await fill(first.adminUrl, { orgs: 3, plansEach: 2, stepsEach: 4 });
    const out = join(folder, `${from.name}-${to.name}.export`);
    const taken = await take(first.url, out);
    const second = await database(to, true);
    const seen: string[] = [];
    const brought = await bring(second.url, out, { onTable: (name) => seen.push(name) });
    expect(brought.tables).toEqual(taken.tables);
    expect(seen).toEqual(taken.tables.map(({ name }) => name));

    const { installation: _, server_sessions: __, schema_migrations: ___, ...before } = await digests(first.adminUrl);
    const after = await digests(second.adminUrl);
    expect(after).toMatchObject(before);
    expect(Object.values(before).filter((digest) => !digest.startsWith("0:")).length).toBeGreaterThan(20);
    const placed = await sql<{ month: number; rest: number }>(
      second,
      `SELECT (SELECT count(*) FROM maestro.records_${OLD_MONTH})::int AS month, (SELECT count(*) FROM maestro.records_other)::int AS rest`,
    );
    expect(placed).toEqual([{ month: 12, rest: 0 }]);
  });
});

test("the same rows make the same digests, however they came into their tables", async () => {
  const target = await database(home, true);
  const one = await bring(target.url);
  const again = await take(target.url, join(folder, "again.export"));
  const changed = ["installation", "server_sessions"];
  const kept = (moved: Moved) => moved.tables.filter(({ name }) => !changed.includes(name));
  expect(kept(again)).toEqual(kept(one));
  expect(one.tables.find(({ name }) => name === "plans")?.rows).toBe(206);
});

test("who imports goes on in a new epoch, without the servers of before, and row-level security binds again", async () => {
  const target = await database();
  await bring(target.url);
  const [was] = await sql<{ installation_id: string }>(source, "SELECT * FROM maestro.installation");
  expect(await sql(target, "SELECT installation_id, store_epoch FROM maestro.installation")).toEqual([
    { installation_id: was?.installation_id, store_epoch: 2 },
  ]);
  const over = "ended_ms IS NOT NULL AND expires_ms <= maestro.clock_ms()";
  expect(await sql(target, `SELECT session_id FROM maestro.server_sessions WHERE ${over}`)).toEqual([
    { session_id: sessionId },
  ]);
  const unbound = "relnamespace = 'maestro'::regnamespace AND relkind IN ('r', 'p') AND NOT relforcerowsecurity";
  expect(await sql(target, `SELECT relname::text AS name FROM pg_class WHERE ${unbound}`)).toEqual([
    { name: "schema_migrations" },
  ]);
  expect(await asAdmin(target.url, async (run) => [...(await run`SELECT 1 FROM maestro.steps`)])).toEqual([]);
});

test("what a server that only started left behind is replaced", async () => {
  const target = await database();
  await sql(
    target,
    "INSERT INTO maestro.orgs VALUES (gen_random_uuid(), 'default', 1); INSERT INTO maestro.server_sessions VALUES (gen_random_uuid(), 'a', 'b', 1, 2)",
  );
  await bring(target.url);
  expect(await sql(target, "SELECT session_id FROM maestro.server_sessions")).toEqual([{ session_id: sessionId }]);
});

describe("a file is refused before the database is touched", () => {
  async function refused(change: (bytes: Buffer) => Buffer, reason: string, words: RegExp): Promise<void> {
    const bad = join(folder, "bad.export");
    await writeFile(bad, change(await readFile(file)));
    const target = await database(home, true);
    await expect(bring(target.url, bad)).rejects.toMatchObject({ reason, message: words });
    expect(await sql(target, "SELECT to_regnamespace('maestro')::text AS schema")).toEqual([{ schema: null }]);
  }

  test.each([0.1, 0.5, 0.9, 0.99999])("that was cut off at %d of its length", async (share) => {
    await refused((bytes) => bytes.subarray(0, Math.floor(bytes.length * share)), "damaged", /cut off|not JSON/);
  });
  test("that has more after its end", async () => {
    await refused((bytes) => Buffer.concat([bytes, Buffer.from("D\0\0\0\0")]), "damaged", /after its end/);
  });
  test("with one byte changed, wherever", async () => {
    for (const share of [0.2, 0.7]) {
      await refused(
        (bytes) => {
          const at = Math.floor(bytes.length * share);
          bytes[at] = (bytes[at] ?? 0) ^ 1;
          return bytes;
        },
        "damaged",
        /damaged/,
      );
    }
  });
  test("that is something else", async () => {
    await refused(() => Buffer.from("PGDMP and more"), "not-an-export", /not an export of Maestro/);
    await refused(() => Buffer.alloc(0), "not-an-export", /not an export of Maestro/);
  });
  test("of another format", async () => {
    await refused((bytes) => replace(bytes, `"format":1`, `"format":7`), "other-format", /format 7.*reads format 1/);
  });
  test("of a schema that this build does not know, or knows otherwise", async () => {
    await refused((bytes) => whole(bytes, /"version":1,/, `"version":999,`), "other-schema", /newer/);
    await refused(
      (bytes) => whole(bytes, /"checksum":"../, `"checksum":"zz`),
      "other-schema",
      /Migration 1 .* is not the one of this build/,
    );
  });
});

function replace(bytes: Buffer, from: string, to: string): Buffer {
  const at = bytes.indexOf(from);
  bytes.write(to, at);
  return bytes;
}

/** Changes the header and puts lengths and digests right, as a build of another schema would have written it. */
function whole(bytes: Buffer, from: RegExp, to: string): Buffer {
  const magic = "maestro-export\n".length;
  const length = bytes.readUInt32BE(magic + 1);
  const header = Buffer.from(
    bytes
      .subarray(magic + 5, magic + 5 + length)
      .toString()
      .replace(from, to),
  );
  const head = Buffer.from(bytes.subarray(magic, magic + 5));
  head.writeUInt32BE(header.length, 1);
  const tailAt = bytes.lastIndexOf("F\0\0\0");
  const before = Buffer.concat([bytes.subarray(0, magic), head, header, bytes.subarray(magic + 5 + length, tailAt)]);
  const tail = JSON.parse(bytes.subarray(tailAt + 5).toString()) as { tables: number };
  const ending = Buffer.from(
    JSON.stringify({ tables: tail.tables, sha256: createHash("sha256").update(before).digest("hex") }),
  );
  const endHead = Buffer.alloc(5);
  endHead.write("F");
  endHead.writeUInt32BE(ending.length, 1);
  return Buffer.concat([before, endHead, ending]);
}

describe("a target is refused, and stays as it is", () => {
  async function stays(target: TestDatabase, reason: string, words: RegExp): Promise<void> {
    const before = await digests(target.adminUrl);
    await expect(bring(target.url)).rejects.toMatchObject({ reason, message: words });
    expect(await digests(target.adminUrl)).toEqual(before);
  }

  test("that is not empty", async () => {
    const target = await database();
    await fill(target.adminUrl, { orgs: 1, plansEach: 1, stepsEach: 1 });
    await stays(target, "not-empty", /not empty: it has .*plans/);
  });
  test("that a server works on", async () => {
    const target = await database();
    await sql(target, `INSERT INTO maestro.server_sessions VALUES (gen_random_uuid(), '10.1.2.3', '9.9', 1, 9e15)`);
    await stays(target, "in-use", /Maestro 9\.9 listening on 10\.1\.2\.3/);
  });
  test("whose tables belong to somebody else", async () => {
    const target = await database();
    const name = new URL(target.url).username;
    await sql(target, `ALTER TABLE maestro.steps OWNER TO CURRENT_USER; GRANT ALL ON maestro.steps TO ${name}`);
    await stays(target, "not-owner", /role that owns the tables/);
  });
  test("whose rules its rows break, together with all that was loaded before", async () => {
    const target = await database();
    await sql(target, "ALTER TABLE maestro.steps ADD CONSTRAINT never CHECK (ordinal < 5)");
    await stays(target, "refused-rows", /Rows of steps cannot be: .*23514, never/);
  });
  test("that changes what it is given", async () => {
    const target = await database();
    await sql(
      target,
      `CREATE FUNCTION maestro.worse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.intent = ''other''; RETURN NEW; END';
       CREATE TRIGGER worse BEFORE INSERT ON maestro.goals FOR EACH ROW EXECUTE FUNCTION maestro.worse()`,
    );
    await stays(target, "differs", /rows of goals are not what the export holds/);
  });
});

test("an import that is called off leaves an empty installation, into which it goes the next time", async () => {
  const target = await database(home, true);
  const off = new AbortController();
  const onTable = (name: string): void => {
    if (name === "plans") off.abort(new Error("enough"));
  };
  await expect(bring(target.url, file, { signal: off.signal, onTable })).rejects.toThrow("enough");
  expect(await sql(target, "SELECT 1 FROM maestro.orgs")).toEqual([]);
  expect((await bring(target.url)).rows).toBeGreaterThan(1_000);
});

test("a connection that is lost ends the move at once, and nothing of it is kept", async () => {
  const target = await database(home, true);
  const cut = (of: TestDatabase) =>
    sql(
      of,
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'maestro move' AND datname = current_database()",
    );
  let ended: Promise<unknown> | undefined;
  const onTable = (name: string): void => {
    if (name === "plans") ended = cut(target);
  };
  await expect(bring(target.url, file, { onTable })).rejects.toThrow(StoreUnavailableError);
  await ended;
  expect(await sql(target, "SELECT 1 FROM maestro.orgs")).toEqual([]);

  const sink = async (): Promise<void> => {
    ended = ended === undefined ? cut(source) : ended;
    await ended;
  };
  ended = undefined;
  await expect(take(source.url, "unused", { sink })).rejects.toThrow(StoreUnavailableError);
});

test("a server that starts during an import waits for its end, and finds what was imported", async () => {
  const target = await database();
  let started: Promise<unknown> | undefined;
  let late = false;
  const onTable = (name: string): void => {
    if (name !== "plans") return;
    started = migrate({ url: target.url, log: () => undefined }).then(() => (late = true));
  };
  // Before its commit: the last table is told, and the rows of none can be seen.
  const seen: boolean[] = [];
  await bring(target.url, file, { onTable: (name) => (onTable(name), void seen.push(late)) });
  await started;
  expect(started).toBeDefined();
  expect(seen).not.toContain(true);
  expect(await sql(target, "SELECT count(*)::int AS n FROM maestro.plans")).toEqual([{ n: 206 }]);
});

test("a server that began its session while an import looked around is not missed", async () => {
  const target = await database();
  await asAdmin(target.adminUrl, async (admin) => {
    let brought: Promise<unknown> | undefined;
    await admin.begin(async (tx) => {
      await tx`INSERT INTO maestro.server_sessions VALUES (gen_random_uuid(), '10.1.2.3', '9.9', 1, 9e15)`;
      brought = bring(target.url).catch((error: unknown) => error);
      for (let waits = false; !waits;) {
        const rows = await tx`SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
          WHERE NOT l.granted AND a.datname = current_database() AND a.query LIKE 'ALTER TABLE%'`;
        waits = rows.length > 0;
      }
    });
    expect(await brought).toMatchObject({ reason: "in-use", message: /Maestro 9\.9 listening on 10\.1\.2\.3/ });
  });
});

test("rows of an older schema go through the migrations since then", async () => {
  const target = await database(home, true);
  const own = await readMigrations(MIGRATIONS);
  const newer = await mkdtemp(join(folder, "newer-"));
  for (const { version, name, text } of own)
    await writeFile(join(newer, `${String(version).padStart(4, "0")}_${name}.sql`), text);
  await writeFile(
    join(newer, `${String(own.length + 1).padStart(4, "0")}_next.sql`),
    "ALTER TABLE maestro.orgs ADD COLUMN more text NOT NULL DEFAULT 'yes'",
  );
  const folderUrl = pathToFileURL(`${newer}/`);
  const manifest = await inspectFor(file, undefined, folderUrl);
  const options = { url: target.url, file, ignoreLive: false, log: () => undefined, onTable: () => undefined };
  await importInstallation(manifest, { ...options, migrations: folderUrl });
  expect(await sql(target, "SELECT DISTINCT more FROM maestro.orgs")).toEqual([{ more: "yes" }]);
  // A database that is further already has other tables.
  const further = await database(home, true);
  await migrate({ url: further.url, log: () => undefined, folder: folderUrl });
  await expect(
    importInstallation(manifest, { ...options, url: further.url, migrations: folderUrl }),
  ).rejects.toMatchObject({ reason: "other-schema", message: /without any schema/ });
});

describe("an export", () => {
  test("beside a server at work is refused, or warned of and of one moment", async () => {
    const busy = await database();
    await fill(busy.adminUrl, { orgs: 2, plansEach: 1, stepsEach: 2 });
    await sql(busy, `INSERT INTO maestro.server_sessions VALUES (gen_random_uuid(), '10.1.2.3', '9.9', 1, 9e15)`);
    const out = join(folder, "busy.export");
    await expect(take(busy.url, out)).rejects.toMatchObject({ reason: "in-use", message: /--force/ });

    const warnings: string[] = [];
    let later: Promise<unknown> | undefined;
    // Written while the export is under way, to a table that it has yet to read.
    const onTable = (): void => {
      later ??= sql(busy, "DELETE FROM maestro.records");
    };
    const sink = async (bytes: Uint8Array): Promise<void> => {
      await later;
      await appendFile(out, bytes);
    };
    await rm(out, { force: true });
    const moved = await take(busy.url, out, { live: "warn", onWarning: (text) => warnings.push(text), onTable, sink });
    expect(warnings).toEqual([expect.stringMatching(/10\.1\.2\.3.*done twice/)]);
    expect(moved.tables.find(({ name }) => name === "records")?.rows).toBe(4);
    expect(await sql(busy, "SELECT 1 FROM maestro.records")).toEqual([]);
  });

  test("of a database that is not Maestro's is refused", async () => {
    const bare = await database(home, true);
    await expect(take(bare.url, join(folder, "bare.export"))).rejects.toMatchObject({ reason: "no-installation" });
  });
});
