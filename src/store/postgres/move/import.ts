// Loads a container into an empty installation: all of it, verified, or nothing. Not here: reading the file, see unpack.ts.
import { setTimeout as delay } from "node:timers/promises";
import { MIGRATION_LOCK, MIGRATIONS, migrate, readMigrations } from "../migrate.ts";
import type { Migration } from "../migrate.ts";
import { StatementError, toStoreTrouble } from "../trouble.ts";
import { RowDigest } from "./container.ts";
import type { SchemaStep, TableTail } from "./container.ts";
import type { Moved } from "./export.ts";
import { inOneTransaction } from "./link.ts";
import type { Link } from "./link.ts";
import { MoveError } from "./move-error.ts";
import { list, liveServers, qualified, rowsOf, schemaOf, see, tablesOf } from "./tables.ts";
import type { Table } from "./tables.ts";
import { contents, inspect, sameTail } from "./unpack.ts";
import type { Manifest } from "./unpack.ts";

export interface ImportOptions {
  /** As the role that owns the tables, straight to the server. */
  readonly url: string;
  readonly file: string;
  /** An embedded database is locked by its import: sessions that look alive there belong to a server that was killed. */
  readonly ignoreLive: boolean;
  readonly log: (line: string) => void;
  readonly onTable: (name: string, moved: TableTail) => void;
  readonly signal?: AbortSignal;
  /** Where the migrations are; besides tests, those of this build. */
  readonly migrations?: URL;
}

/** What a server that was started once and did nothing leaves behind; replaced by what is imported. */
const OF_AN_IDLE_SERVER = ["server_sessions", "orgs", "installation"];
const MAX_EPOCH = 8_000;
const LOCK_WAIT_MS = 10_000;
const POLL_MS = 50;

/** The file is read through before anything else: one that is damaged, foreign or too new changes nothing anywhere. */
export async function inspectFor(file: string, signal?: AbortSignal, migrations: URL = MIGRATIONS): Promise<Manifest> {
  const manifest = await inspect(file, signal);
  judgeSchema(manifest.header.schema, await readMigrations(migrations));
  if (manifest.header.storeEpoch >= MAX_EPOCH)
    throw new MoveError(
      "worn-out",
      `This installation was imported ${MAX_EPOCH} times, which is as often as it can be.`,
    );
  return manifest;
}

/**
 * The schema is brought to where the file's was, the rows are loaded and compared in one transaction, and migrations since then
 * follow. Killed at any point, it leaves an empty installation or the whole one.
 */
export async function importInstallation(manifest: Manifest, options: ImportOptions): Promise<Moved> {
  const { url, log, signal, migrations } = options;
  const { header } = manifest;
  const migrating = { url, log, ...(signal && { signal }), ...(migrations && { folder: migrations }) };
  try {
    await inOneTransaction(
      url,
      "BEGIN READ ONLY",
      async (link) => ({ commit: false, result: judgeTarget(await schemaOf(link), header.schema) }),
      signal,
    );
    await migrate({ ...migrating, through: header.schema.length });
    const result = await inOneTransaction(
      url,
      "BEGIN",
      async (link) => ({ commit: true, result: await load(link, manifest, options) }),
      signal,
    );
    // Rows that arrived in one piece have no statistics yet; a server could start without, slowly.
    await migrate(migrating);
    await inOneTransaction(
      url,
      "BEGIN",
      async (link) => {
        for (const table of await tablesOf(link)) await link.run(`ANALYZE ${qualified(table.name)}`);
        return { commit: true, result: undefined };
      },
      signal,
    );
    return result;
  } catch (error) {
    signal?.throwIfAborted();
    throw toStoreTrouble(error);
  }
}

/** The file's tables must be the ones that this build knows how to make. */
function judgeSchema(file: readonly SchemaStep[], own: readonly Migration[]): void {
  const beyond = file.find(({ version }, i) => version !== i + 1 || version > own.length);
  if (file.length === 0 || beyond !== undefined) {
    throw new MoveError(
      "other-schema",
      `The export has schema ${file.at(-1)?.version ?? 0}, and this build knows schema ${own.length}. Import it with the build that made it, or a newer one.`,
    );
  }
  const other = file.find(({ checksum }, i) => own[i]?.checksum !== checksum);
  if (other !== undefined) {
    throw new MoveError(
      "other-schema",
      `Migration ${other.version} (${other.name}) of the export is not the one of this build. Import it with the build that made it.`,
    );
  }
}

function judgeTarget(target: readonly SchemaStep[], file: readonly SchemaStep[]): void {
  const fits = target.length <= file.length && target.every(({ checksum }, i) => checksum === file[i]?.checksum);
  if (fits) return;
  throw new MoveError(
    "other-schema",
    `The database has schema ${target.length} already, and the export has schema ${file.length}. Import it into a database without any schema; it is brought up to date afterwards.`,
  );
}

async function load(link: Link, manifest: Manifest, options: ImportOptions): Promise<Moved> {
  const { header } = manifest;
  await see(link, []);
  await keepServersOut(link);
  await judgeLive(link, options);
  const tables = await tablesOf(link);
  // COPY does not load tables under row-level security. It is lifted for the owner, for this transaction, and so for nobody else.
  for (const { name, forced } of tables)
    if (forced) await asOwner(link, `ALTER TABLE ${qualified(name)} NO FORCE ROW LEVEL SECURITY`);
  // Now nobody else gets at any table. A server that began its session until then is seen here; one that does it later waits, and
  // reads the epoch in the same statement.
  await judgeLive(link, options);
  await judgeEmpty(link, tables);
  judgeTables(tables, manifest);
  for (const month of header.months) await makePartitions(link, month);
  for (const name of OF_AN_IDLE_SERVER) await link.run(`DELETE FROM ${qualified(name)}`);

  for await (const { head, pieces } of contents(options.file, options.signal)) {
    await link.copyIn(`COPY ${qualified(head.name)} (${list(head.columns)}) FROM STDIN`, pieces).catch((error) => {
      throw refusedRows(head.name, error);
    });
    const moved = manifest.tables.find(({ name }) => name === head.name);
    if (moved !== undefined) options.onTable(head.name, moved);
  }
  for (const table of tables) await compare(link, table, manifest);

  // Fencing numbers of this life are higher than any that the installation gave before, wherever it may still run.
  await link.run("UPDATE maestro.installation SET store_epoch = store_epoch + 1");
  // No server of before works here: their leases come back as after a crash, at once, whatever the clocks say.
  await link.run(
    "UPDATE maestro.server_sessions SET ended_ms = coalesce(ended_ms, maestro.clock_ms()), expires_ms = least(expires_ms, maestro.clock_ms())",
  );
  for (const { name, forced } of tables)
    if (forced) await link.run(`ALTER TABLE ${qualified(name)} FORCE ROW LEVEL SECURITY`);
  return {
    installationId: header.installationId,
    tables: manifest.tables.map(({ name, rows, sha256 }) => ({ name, rows, sha256 })),
    rows: manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
    bytes: manifest.bytes,
  };
}

/** A server that starts meanwhile waits for this lock in its migrations, and then finds what was imported. */
async function keepServersOut(link: Link): Promise<void> {
  // Our own migrations just before held it too, for as long as the server takes to notice that their connection has ended.
  for (let left = LOCK_WAIT_MS; ; left -= POLL_MS) {
    const [lock] = await link.run<{ taken: boolean }>(`SELECT pg_try_advisory_xact_lock(${MIGRATION_LOCK}) AS taken`);
    if (lock?.taken === true) break;
    if (left <= 0)
      throw new MoveError(
        "in-use",
        "The database is being migrated or imported into by somebody else. Try again later.",
      );
    await delay(POLL_MS);
  }
}

async function judgeLive(link: Link, { ignoreLive }: ImportOptions): Promise<void> {
  const servers = ignoreLive ? [] : await liveServers(link);
  if (servers.length > 0) {
    throw new MoveError(
      "in-use",
      `The database is in use: ${servers.join("; ")}. Stop it first (a server that was killed counts for 8 s more), or import into another database.`,
    );
  }
}

async function asOwner(link: Link, statement: string): Promise<void> {
  try {
    await link.run(statement);
  } catch (error) {
    const trouble = toStoreTrouble(error);
    if (!(trouble instanceof StatementError)) throw trouble;
    throw trouble.code === "55P03"
      ? new MoveError("in-use", "The database is in use: somebody holds its tables. Stop that first.", trouble)
      : new MoveError("not-owner", "Only the role that owns the tables can import. Log in as that one.", trouble);
  }
}

async function judgeEmpty(link: Link, tables: readonly Table[]): Promise<void> {
  const filled: string[] = [];
  for (const { name } of tables) {
    const idle = OF_AN_IDLE_SERVER.includes(name) && (name !== "orgs" || "name = 'default'");
    if (idle === true) continue;
    const where = idle === false ? "" : ` WHERE NOT (${idle})`;
    const [row] = await link.run<{ there: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM ${qualified(name)}${where}) AS there`,
    );
    if (row?.there === true) filled.push(name);
  }
  if (filled.length > 0) {
    throw new MoveError(
      "not-empty",
      `The installation is not empty: it has ${filled.join(", ")}. Import into an empty database or folder.`,
    );
  }
}

function judgeTables(tables: readonly Table[], manifest: Manifest): void {
  const names = (all: readonly { readonly name: string; readonly columns: readonly string[] }[]): string =>
    JSON.stringify(all.map(({ name, columns }) => [name, [...columns].sort()]).sort());
  if (names(tables) !== names(manifest.tables))
    throw new MoveError("other-schema", "The export's tables are not those of its schema. It was not made by Maestro.");
}

/** Rows go to the partition of their month by themselves; those of a month without one would pile up in the rest. */
async function makePartitions(link: Link, month: string): Promise<void> {
  await link.run(
    "SELECT maestro.ensure_partitions((extract(epoch FROM to_date($1, 'YYYYMM')::timestamp AT TIME ZONE 'UTC') * 1000)::bigint, 0)",
    [month],
  );
}

async function compare(link: Link, table: Table, manifest: Manifest): Promise<void> {
  const wanted = manifest.tables.find(({ name }) => name === table.name);
  const digest = new RowDigest();
  for await (const piece of link.copyOut(rowsOf({ ...table, columns: wanted?.columns ?? table.columns })))
    digest.add(piece);
  const found = digest.end();
  if (wanted !== undefined && sameTail(found, wanted)) return;
  throw new MoveError(
    "differs",
    `The rows of ${table.name} are not what the export holds (${found.rows} of ${wanted?.rows ?? 0} rows). Nothing was imported.`,
  );
}

/** A row that breaks a rule of its table; constraints are ours, and their names may be said. */
function refusedRows(table: string, error: unknown): Error {
  const trouble = toStoreTrouble(error);
  if (!(trouble instanceof StatementError)) return trouble;
  return new MoveError(
    "refused-rows",
    `Rows of ${table} cannot be: ${trouble.message}. Nothing was imported.`,
    trouble,
  );
}
