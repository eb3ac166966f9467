// Writes a whole installation into a container, as it was at one moment. Not here: the container's layout, see container.ts.
import { toStoreTrouble } from "../trouble.ts";
import { ContainerWriter, FORMAT } from "./container.ts";
import type { Sink, TableTail } from "./container.ts";
import { inOneTransaction } from "./link.ts";
import type { Link } from "./link.ts";
import { MoveError } from "./move-error.ts";
import { installationOf, liveServers, rowsOf, schemaOf, see, tablesOf } from "./tables.ts";
import type { Table } from "./tables.ts";

export interface ExportOptions {
  /** As the application's role, straight to the server. */
  readonly url: string;
  readonly sink: Sink;
  /** Of this program, and the time, for the header. */
  readonly build: string;
  readonly exportedAt: string;
  /**
   * What to do about servers that are at work on the database: refuse, unless whoever asks knows. An embedded database is locked
   * by its export, and sessions that look alive there belong to a server that was killed.
   */
  readonly live: "refuse" | "warn" | "ignore";
  readonly onWarning: (text: string) => void;
  readonly onTable: (name: string, moved: TableTail) => void;
  readonly signal?: AbortSignal;
}

/** What was moved. */
export interface Moved {
  readonly installationId: string;
  readonly tables: readonly { readonly name: string; readonly rows: number; readonly sha256: string }[];
  readonly rows: number;
  /** Of the file. */
  readonly bytes: number;
}

/** Orgs that are visible at a time: row-level security compares each row with the list. */
const ORGS_EACH = 100;

/**
 * Everything is read in one REPEATABLE READ snapshot: also beside servers at work the export is of one moment, and whoever imports
 * it finds what a crash at that moment would have left.
 */
export async function exportInstallation(options: ExportOptions): Promise<Moved> {
  try {
    return await inOneTransaction(
      options.url,
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
      async (link) => ({ commit: false, result: await write(link, options) }),
      options.signal,
    );
  } catch (error) {
    options.signal?.throwIfAborted();
    throw toStoreTrouble(error);
  }
}

async function write(link: Link, options: ExportOptions): Promise<Moved> {
  const schema = await schemaOf(link);
  if (schema.length === 0)
    throw new MoveError("no-installation", "This database has no schema of Maestro: there is nothing to export.");
  await see(link, []);
  await judgeLive(await liveServers(link), options);
  const { installationId, storeEpoch } = await installationOf(link);
  const orgs = (await link.run<{ org_id: string }>("SELECT org_id FROM maestro.orgs ORDER BY org_id")).map(
    (row) => row.org_id,
  );
  const [server] = await link.run<{ major: number }>(
    "SELECT current_setting('server_version_num')::int / 10000 AS major",
  );
  const months = await link.run<{ month: string }>(
    "SELECT DISTINCT right(relname, 6) AS month FROM pg_class WHERE relnamespace = to_regnamespace('maestro') AND relispartition AND relname ~ '_[0-9]{6}$' ORDER BY 1",
  );
  const container = new ContainerWriter(options.sink);
  await container.header({
    format: FORMAT,
    installationId,
    storeEpoch,
    schema,
    months: months.map(({ month }) => month),
    build: options.build,
    exportedAt: options.exportedAt,
    postgresMajor: server?.major ?? 0,
  });
  const tables: { name: string; rows: number; sha256: string }[] = [];
  for (const table of await tablesOf(link)) {
    const { name, columns } = table;
    const tail = await container.table({ name, columns }, rows(link, table, orgs));
    tables.push({ name, rows: tail.rows, sha256: tail.sha256 });
    options.onTable(name, tail);
  }
  await container.end();
  return { installationId, tables, rows: tables.reduce((sum, { rows }) => sum + rows, 0), bytes: container.written };
}

async function judgeLive(servers: readonly string[], { live, onWarning }: ExportOptions): Promise<void> {
  if (servers.length === 0 || live === "ignore") return;
  if (live === "refuse") {
    throw new MoveError(
      "in-use",
      `The database is in use: ${servers.join("; ")}. Stop it first (a server that was killed counts for 8 s more), or export beside it with --force: what it does from then on is not in the export.`,
    );
  }
  onWarning(
    `The database is in use: ${servers.join("; ")}. The export is of this moment; what happens from now on is not in it. Import it elsewhere and both go on, and what runs is done twice.`,
  );
}

/** The rows of a table, in the order of its key, however many orgs there are. */
async function* rows(link: Link, table: Table, orgs: readonly string[]): AsyncGenerator<Uint8Array> {
  if (table.key[0] !== "org_id") {
    yield* link.copyOut(rowsOf(table));
    return;
  }
  for (let at = 0; at < orgs.length; at += ORGS_EACH) {
    const group = orgs.slice(at, at + ORGS_EACH);
    await see(link, group);
    yield* link.copyOut(rowsOf(table, [group[0] ?? "", group.at(-1) ?? ""]));
  }
}
