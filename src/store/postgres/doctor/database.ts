// Examines a database: who may log in, what it is set to, and whether its schema is one that this build works on. Reads only. Not
// here: the work in it, see work.ts.
import type { Clock } from "../../../support/clock.ts";
import { counted } from "../../../support/counted.ts";
import type { Finding } from "../../../support/finding.ts";
import { fail, ok, warn } from "../../../support/finding.ts";
import { EngineError } from "../engines/engine-error.ts";
import { checkServer } from "../engines/server.ts";
import { checkHistory, MigrationError, MIGRATIONS, readMigrations } from "../migrate.ts";
import { inOneTransaction } from "../move/link.ts";
import type { Link } from "../move/link.ts";
import { tablesOf } from "../move/tables.ts";
import { toStoreTrouble } from "../trouble.ts";
import { examinePartitions } from "./partitions.ts";
import { examineWork } from "./work.ts";

export interface DatabaseSurroundings {
  readonly url: string;
  /** Of the host, to be compared with the database's. */
  readonly clock: Clock;
  /** Connections that one server takes. */
  readonly connections: number;
  readonly signal?: AbortSignal;
}

/** Clocks that are this far apart are worth a word, ms. */
const CLOCK_WARN_MS = 2_000;
const CLOCK_FAIL_MS = 60_000;

export async function examineDatabase(surroundings: DatabaseSurroundings): Promise<readonly Finding[]> {
  const { url, signal } = surroundings;
  try {
    const { major, role } = await checkServer(url, signal);
    const reached = [
      ok("database.reach", `PostgreSQL ${major} answers.`),
      ok("database.role", `The role ${role} is bound by row-level security.`),
    ];
    const found = await inOneTransaction(
      url,
      "BEGIN TRANSACTION READ ONLY",
      async (link) => ({ commit: false, result: await examine(link, surroundings) }),
      signal,
    );
    return [...reached, ...found];
  } catch (error) {
    signal?.throwIfAborted();
    return [trouble(error)];
  }
}

function trouble(error: unknown): Finding {
  const cannot = "Maestro cannot be started on this database.";
  if (!(error instanceof EngineError))
    return fail(
      "database.reach",
      "The database cannot be examined.",
      toStoreTrouble(error).message,
      "Look at its log.",
    );
  const what = error.message.slice(0, -error.remedy.length).trim();
  const role = error.reason === "superuser" || error.reason === "bypass-rls";
  return fail(role ? "database.role" : "database.reach", what, cannot, error.remedy);
}

interface Facts {
  readonly encoding: string;
  readonly standby: boolean;
  readonly readonly: boolean;
  readonly fsync: string;
  readonly pages: string;
  readonly commit: string;
  readonly most: number;
  readonly used: number;
  readonly schema: boolean;
  readonly may_create: boolean;
}

// The settings are the role's own in this database; whether it is read-only is asked of new sessions, this one having said so itself.
const FACTS = `SELECT current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS standby,
  current_setting('default_transaction_read_only') = 'on' AS readonly, current_setting('fsync') AS fsync,
  current_setting('full_page_writes') AS pages, current_setting('synchronous_commit') AS commit,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS most,
  (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS used,
  EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'maestro' AND c.relname = 'schema_migrations') AS schema,
  has_database_privilege(current_database(), 'CREATE') AS may_create`;

async function examine(link: Link, surroundings: DatabaseSurroundings): Promise<readonly Finding[]> {
  const [facts] = await link.run<Facts>(FACTS);
  if (facts === undefined) throw new Error("the database says nothing of itself");
  const basic = [
    examineEncoding(facts),
    examineWriting(facts),
    examineDurability(facts),
    examineConnections(facts, surroundings),
    await examineClock(link, surroundings.clock),
  ];
  if (!facts.schema) {
    return facts.may_create
      ? [...basic, ok("database.schema", "There is no schema yet; the first start makes it.")]
      : [
          ...basic,
          fail(
            "database.rights",
            "There is no schema yet, and this role may not make one.",
            "Maestro cannot be started on this database.",
            "Make the role the database's owner: ALTER DATABASE … OWNER TO ….",
          ),
        ];
  }
  const readable = await examineReading(link);
  if (readable.state === "fail") return [...basic, readable];
  const schema = await examineSchema(link);
  return [
    ...basic,
    await examineOwner(link),
    schema,
    await examineSecurity(link),
    // What a newer or foreign build made of the tables is not for this one to judge.
    ...(schema.state === "ok" ? [...(await examinePartitions(link)), ...(await examineWork(link))] : []),
  ];
}

function examineEncoding({ encoding }: Facts): Finding {
  return encoding === "UTF8"
    ? ok("database.encoding", "It is encoded in UTF8.")
    : fail(
        "database.encoding",
        `It is encoded in ${encoding}.`,
        "Maestro keeps texts of all scripts, and refuses to start here.",
        "Make another one WITH ENCODING 'UTF8'.",
      );
}

function examineWriting({ standby, readonly }: Facts): Finding {
  const check = "database.writing";
  const means = "Nothing can be written, and Maestro refuses to start.";
  if (standby) return fail(check, "It is a standby.", means, "Use the address of the primary.");
  if (readonly)
    return fail(
      check,
      "Its sessions are read-only unless they say otherwise.",
      means,
      "Unset default_transaction_read_only for the role and the database.",
    );
  return ok(check, "It can be written.");
}

function examineDurability({ fsync, pages, commit }: Facts): Finding {
  const off = [
    ...(fsync === "on" ? [] : ["fsync"]),
    ...(pages === "on" ? [] : ["full_page_writes"]),
    ...(commit === "off" ? ["synchronous_commit"] : []),
  ];
  return off.length === 0
    ? ok("database.durability", "What is acknowledged is on disk.")
    : warn(
        "database.durability",
        `${off.join(" and ")} ${off.length === 1 ? "is" : "are"} off.`,
        "What was acknowledged can be lost when the machine fails.",
        `Set ${off.join(", ")} to on.`,
      );
}

function examineConnections({ most, used }: Facts, { connections }: DatabaseSurroundings): Finding {
  const check = "database.connections";
  const found = `It takes ${most} connections, ${used} are in use, and a server opens up to ${connections}.`;
  const remedy = "Raise max_connections, or lower MAESTRO_POOL_SIZE.";
  if (most < connections) return fail(check, found, "Calls fail under load.", remedy);
  return most - used < connections
    ? warn(check, found, "One more server may find none left; those in use may be its own.", remedy)
    : ok(check, found);
}

async function examineClock(link: Link, clock: Clock): Promise<Finding> {
  const before = clock.nowMs();
  const [row] = await link.run<{ ms: number }>("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS ms");
  const apart = Math.abs((row?.ms ?? 0) - (before + clock.nowMs()) / 2);
  const check = "database.clock";
  const found = `The clocks of this host and of the database are ${(apart / 1_000).toFixed(1)} s apart.`;
  const means = "Keys, deadlines and identifiers are then of another time than leases and records.";
  const remedy = "Let both hosts take their time from the same source (NTP).";
  if (apart >= CLOCK_FAIL_MS) return fail(check, found, means, remedy);
  return apart >= CLOCK_WARN_MS ? warn(check, found, means, remedy) : ok(check, found);
}

/** Whether this role may look at all: schemas of others are closed to it. */
async function examineReading(link: Link): Promise<Finding> {
  const [row] = await link.run<{ may: boolean }>(
    "SELECT has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'maestro' AND c.relname = 'schema_migrations'",
  );
  return row?.may === true
    ? ok("database.rights", "This role may use the schema.")
    : fail(
        "database.rights",
        "The schema belongs to somebody else, and this role may not use it.",
        "Maestro cannot be started with this role.",
        "Log in as the role that made the schema.",
      );
}

async function examineOwner(link: Link): Promise<Finding> {
  const rows = await link.run<{ name: string }>(
    "SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'maestro'::regnamespace AND relkind IN ('r', 'p') AND NOT pg_has_role(relowner, 'USAGE') ORDER BY 1",
  );
  return rows.length === 0
    ? ok("database.rights", "This role owns the tables.")
    : fail(
        "database.rights",
        `${counted(rows.length, "table")} ${rows.length === 1 ? "belongs" : "belong"} to somebody else (${rows[0]?.name ?? ""}${rows.length === 1 ? "" : ", …"}).`,
        "Migrations fail, and partitions of coming months cannot be made.",
        "Log in as the owner, or give the tables back: ALTER TABLE … OWNER TO ….",
      );
}

async function examineSchema(link: Link): Promise<Finding> {
  const check = "database.schema";
  const applied = await link.run<{ version: number; name: string; checksum: string; oldest_compatible: number }>(
    "SELECT version, name, checksum, oldest_compatible FROM maestro.schema_migrations ORDER BY version",
  );
  const known = await readMigrations(MIGRATIONS);
  try {
    checkHistory(applied, known);
  } catch (error) {
    if (error instanceof MigrationError)
      return fail(
        check,
        error.message,
        "This build refuses to start on the database.",
        "Use another build of Maestro.",
      );
    throw error;
  }
  const newest = applied.at(-1)?.version ?? 0;
  if (newest < known.length)
    return warn(
      check,
      `The schema is at version ${newest}, and this build brings version ${known.length}.`,
      "The next start brings it up to date; servers of the build before may then have to be stopped.",
      "Make an export first.",
    );
  return ok(check, `The schema is at version ${newest}, as this build needs it.`);
}

async function examineSecurity(link: Link): Promise<Finding> {
  const open = (await tablesOf(link)).filter(({ forced }) => !forced).map(({ name }) => name);
  return open.length === 0
    ? ok("database.isolation", "Row-level security is forced on every table.")
    : fail(
        "database.isolation",
        `Row-level security is not forced on ${open.join(", ")}.`,
        "Nothing but the statements themselves keeps the organizations apart there.",
        "ALTER TABLE … FORCE ROW LEVEL SECURITY, as the migrations do, and find out who lifted it.",
      );
}
