// The query builder's tables are the migrated ones: neither may drift from the other.
import { is } from "drizzle-orm";
import { getTableConfig, PgTable } from "drizzle-orm/pg-core";
import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asAdmin, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { servers } from "../support/store.ts";

const folder = new URL("../../src/store/postgres/schema/", import.meta.url);

interface Column {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly key: boolean;
}

let database: TestDatabase;
beforeAll(async () => {
  const [server] = servers();
  if (server === undefined) throw new Error("no server");
  database = await makeDatabase(server);
});
afterAll(() => database.drop());

const order = (a: Column, b: Column): number => (`${a.table}.${a.name}` < `${b.table}.${b.name}` ? -1 : 1);

async function declared(): Promise<readonly Column[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".ts"));
  const modules = await Promise.all(
    files.map((name) => import(new URL(name, folder).href) as Promise<Record<string, unknown>>),
  );
  const tables = modules.flatMap((module) => Object.values(module)).filter((value) => is(value, PgTable));
  return tables.flatMap((table) => {
    const { name, columns, primaryKeys, schema } = getTableConfig(table);
    expect(schema).toBe("maestro");
    const keys = new Set([
      ...primaryKeys.flatMap((key) => key.columns.map((c) => c.name)),
      ...columns.filter((c) => c.primary).map((c) => c.name),
    ]);
    return columns.map((column) => ({
      table: name,
      name: column.name,
      type: column.getSQLType(),
      required: column.notNull,
      key: keys.has(column.name),
    }));
  });
}

/** All tables but partitions, and the runner's own. */
async function migrated(): Promise<readonly Column[]> {
  return asAdmin(database.adminUrl, async (sql) => [
    ...(await sql<Column[]>`
      SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
             coalesce(a.attnum = ANY(i.indkey::int[]), false) AS key
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
      WHERE c.relnamespace = 'maestro'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'schema_migrations'`),
  ]);
}

test("every column is declared as it is in the database, with type, nullability and key", async () => {
  expect((await declared()).toSorted(order)).toEqual((await migrated()).toSorted(order));
});

test("row-level security is on and forced for every table, with a policy, partitions included", async () => {
  const open = await asAdmin(
    database.adminUrl,
    (sql) => sql<{ name: string }[]>`
    SELECT c.relname AS name FROM pg_class c
    WHERE c.relnamespace = 'maestro'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_migrations'
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))`,
  );
  expect(open.map(({ name }) => name)).toEqual([]);
});

test("no index of the step rows names a column that changes with every lease, but for the order key", async () => {
  const columns = await asAdmin(
    database.adminUrl,
    (sql) => sql<{ name: string; predicate: string | null }[]>`
    SELECT DISTINCT a.attname AS name, pg_get_expr(i.indpred, i.indrelid) AS predicate FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey::int[])
    WHERE i.indrelid = 'maestro.steps'::regclass`,
  );
  expect([...new Set(columns.map(({ name }) => name))].toSorted()).toEqual([
    "demand_id",
    "key",
    "order_key",
    "ordinal",
    "org_id",
    "plan_id",
  ]);
  // `current` changes only by re-plans.
  expect([...new Set(columns.map(({ predicate }) => predicate))].toSorted()).toEqual([
    "(NOT current)",
    "(order_key IS NOT NULL)",
    "current",
    null,
  ]);
});

test("a goal, plan or step is found by its id along the primary key only: other indexes that hold the id are partial", async () => {
  const indexes = await asAdmin(
    database.adminUrl,
    (sql) => sql<{ name: string }[]>`
    SELECT i.indexrelid::regclass::text AS name FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey::int[])
    WHERE i.indrelid IN ('maestro.goals'::regclass, 'maestro.plans'::regclass, 'maestro.steps'::regclass, 'maestro.cascades'::regclass)
      AND a.attname = 'plan_id' AND NOT i.indisprimary AND i.indpred IS NULL`,
  );
  expect(indexes.map(({ name }) => name)).toEqual([]);
});
