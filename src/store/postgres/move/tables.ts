// Which tables an installation consists of, read from the database's catalogue: their columns, keys and order. Not here: rows.
import { arrayLiteral } from "../columns.ts";
import type { Link } from "./link.ts";
import { MoveError } from "./move-error.ts";
import type { SchemaStep } from "./container.ts";

export interface Table {
  readonly name: string;
  /** All of them, in the table's order. */
  readonly columns: readonly string[];
  /** Columns of the primary key. */
  readonly key: readonly string[];
  /** Row-level security binds even its owner. */
  readonly forced: boolean;
}

interface RawTable extends Omit<Table, "key"> {
  readonly key: readonly string[] | null;
  /** Tables that its foreign keys lead to. */
  readonly needs: readonly string[];
}

// Partitions are reached through their parents. What a database knows of its migrations belongs to the database.
const TABLES = `
  SELECT c.relname::text AS name, c.relforcerowsecurity AS forced,
    (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns,
    (SELECT array_agg(a.attname::text ORDER BY k.at) FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k(attnum, at)
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE i.indrelid = c.oid AND i.indisprimary) AS key,
    ARRAY(SELECT r.relname::text FROM pg_constraint f JOIN pg_class r ON r.oid = f.confrelid
      WHERE f.conrelid = c.oid AND f.contype = 'f' AND r.oid <> c.oid) AS needs
  FROM pg_class c WHERE c.relnamespace = to_regnamespace('maestro') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname <> 'schema_migrations' ORDER BY c.relname`;

/** The tables, each after those that its foreign keys lead to. */
export async function tablesOf(link: Link): Promise<readonly Table[]> {
  const left = new Map((await link.run<RawTable>(TABLES)).map((raw) => [raw.name, raw]));
  const ordered: Table[] = [];
  while (left.size > 0) {
    const next = [...left.values()].find(({ needs }) => !needs.some((name) => left.has(name)));
    if (next === undefined) throw new Error("tables refer to each other in a circle");
    const { name, columns, key, forced } = next;
    if (key === null) throw new Error(`the table ${name} has no primary key`);
    // Rows are seen org by org, in the order of the key: those of such a table would be left out without a word.
    if (columns.includes("org_id") && key[0] !== "org_id")
      throw new Error(`the key of ${name} does not begin with its org`);
    left.delete(name);
    ordered.push({ name, columns, key, forced });
  }
  return ordered;
}

/** All rows of a table as a query, in the order of its key; of these orgs alone when they are given. */
export function rowsOf({ name, columns, key }: Table, orgs?: readonly [first: string, last: string]): string {
  // By an index where the key begins with the org; row-level security alone would read the whole table for every group of orgs.
  const where = orgs === undefined ? "" : ` WHERE org_id BETWEEN '${orgs[0]}' AND '${orgs[1]}'`;
  return `SELECT ${list(columns)} FROM ${qualified(name)}${where} ORDER BY ${list(key)}`;
}

export function qualified(table: string): string {
  return `maestro.${quoted(table)}`;
}

/** Column names as SQL. */
export function list(names: readonly string[]): string {
  return names.map(quoted).join(", ");
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** What this transaction sees from here on. */
export async function see(link: Link, orgs: readonly string[]): Promise<void> {
  await link.run("SELECT set_config('maestro.orgs', $1, true), set_config('maestro.platform', 'on', true)", [
    arrayLiteral("uuid", orgs),
  ]);
}

/** The migrations that the database has gone through; none when it has no schema. */
export async function schemaOf(link: Link): Promise<readonly SchemaStep[]> {
  const [found] = await link.run<{ there: boolean }>(
    "SELECT to_regclass('maestro.schema_migrations') IS NOT NULL AS there",
  );
  if (found?.there !== true) return [];
  return link.run<SchemaStep>("SELECT version, name, checksum FROM maestro.schema_migrations ORDER BY version");
}

export interface Installation {
  readonly installationId: string;
  readonly storeEpoch: number;
}

export async function installationOf(link: Link): Promise<Installation> {
  const [row] = await link.run<{ installation_id: string; store_epoch: number }>(
    "SELECT installation_id, store_epoch FROM maestro.installation",
  );
  if (row === undefined)
    throw new MoveError("no-installation", "There is no installation of Maestro in this database.");
  return { installationId: row.installation_id, storeEpoch: row.store_epoch };
}

/** Servers whose session is alive, in words. */
export async function liveServers(link: Link): Promise<readonly string[]> {
  const rows = await link.run<{ address: string; build: string }>(
    "SELECT address, build FROM maestro.server_sessions WHERE ended_ms IS NULL AND expires_ms > maestro.clock_ms() ORDER BY started_ms",
  );
  return rows.map(({ address, build }) => `Maestro ${build} listening on ${address}`);
}
