// Databases for tests: each is a copy of a migrated template, owned by a login that row-level security binds.
// Not here: which servers there are, see global-setup.ts.
import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { migrate } from "../../src/store/postgres/migrate.ts";

/** A server that tests may make databases on. */
export interface TestServer {
  readonly name: string;
  readonly adminUrl: string;
  readonly template: string;
}

export interface TestDatabase {
  /** As the application. */
  readonly url: string;
  /** As the administrator, whom row-level security does not bind. */
  readonly adminUrl: string;
  readonly name: string;
  drop(): Promise<void>;
}

const ROLE = "maestro_test_app";
const PASSWORD = "maestro-test-app";

/** Makes the login and the template; whatever an earlier run left is kept when it is still right. */
export async function prepareServer(name: string, adminUrl: string): Promise<TestServer> {
  const template = `maestro_template_${randomUUID().slice(0, 8)}`;
  await asAdmin(adminUrl, async (sql) => {
    const [role] = await sql`SELECT 1 FROM pg_roles WHERE rolname = ${ROLE}`;
    if (role === undefined)
      await sql.unsafe(`CREATE ROLE ${ROLE} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '${PASSWORD}'`);
    await sql.unsafe(`CREATE DATABASE ${template} OWNER ${ROLE} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'`);
  });
  await migrate({ url: appUrl(adminUrl, template), log: () => undefined });
  return { name, adminUrl, template };
}

/** An empty, migrated database of its own. */
export async function makeDatabase(server: TestServer): Promise<TestDatabase> {
  return create(server, `TEMPLATE ${server.template}`);
}

/** A database without any schema. */
export async function makeBareDatabase(server: TestServer): Promise<TestDatabase> {
  return create(server, "TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
}

async function create(server: TestServer, how: string): Promise<TestDatabase> {
  const name = `maestro_test_${randomUUID().replaceAll("-", "")}`;
  await asAdmin(server.adminUrl, (sql) => sql.unsafe(`CREATE DATABASE ${name} OWNER ${ROLE} ${how}`));
  return {
    name,
    url: appUrl(server.adminUrl, name),
    adminUrl: urlOf(server.adminUrl, name),
    drop: async () => {
      await asAdmin(server.adminUrl, (sql) => sql.unsafe(`DROP DATABASE ${name} WITH (FORCE)`));
    },
  };
}

/** Runs statements as the administrator of a database. */
export async function asAdmin<T>(url: string, work: (sql: postgres.Sql) => Promise<T>): Promise<T> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await work(sql);
  } finally {
    await sql.end();
  }
}

function urlOf(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

function appUrl(url: string, database: string): string {
  const changed = new URL(urlOf(url, database));
  changed.username = ROLE;
  changed.password = PASSWORD;
  return changed.href;
}
