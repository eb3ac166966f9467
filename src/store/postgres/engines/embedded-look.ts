// Looks at a data folder from outside and changes nothing: whether a Maestro holds it, and where its Postgres listens. Not here:
// taking the lock, see embedded-folder.ts.
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import type * as SqliteTypes from "node:sqlite";
import { appRole, databaseName } from "./embedded-cluster.ts";
import { passwordsOf } from "./embedded-folder.ts";
import { clusterName, clusterProcesses } from "./embedded-process.ts";

export interface FolderLook {
  /** Whether there is a database in it. */
  readonly made: boolean;
  /** The Postgres that wrote it; undefined when that cannot be read. */
  readonly major: number | undefined;
  /** Whether a Maestro holds it, and which process says that it does. */
  readonly held: boolean;
  readonly owner: number | undefined;
  /** Living processes of its Postgres. */
  readonly processes: readonly number[];
  /** Whether Postgres's own lock file is there, whatever is true of it. */
  readonly lockFile: boolean;
  /** Where its Postgres answers, for the application's login; undefined when it does not run, or its password is lost. */
  readonly url: string | undefined;
}

export async function lookAt(folder: string): Promise<FolderLook> {
  const cluster = join(folder, "cluster");
  const text = async (...path: readonly string[]): Promise<string | undefined> =>
    readFile(join(folder, ...path), "utf8").catch(() => undefined);
  const major = Number.parseInt((await text("cluster", "PG_VERSION")) ?? "", 10);
  const name = await clusterName(cluster).catch(() => undefined);
  const processes = name === undefined ? [] : await clusterProcesses(name);
  const lockFile = await text("cluster", "postmaster.pid");
  const port = Number.parseInt(lockFile?.split("\n")[3] ?? "", 10);
  const { passwords, fresh } = await passwordsOf(folder);
  return {
    made: await access(cluster).then(
      () => true,
      () => false,
    ),
    major: Number.isInteger(major) ? major : undefined,
    held: isHeld(folder),
    owner: ownerOf(await text("owner.json")),
    processes: processes.map(({ pid }) => pid),
    lockFile: lockFile !== undefined,
    url:
      processes.some(({ postmaster }) => postmaster) && Number.isInteger(port) && !fresh
        ? `postgres://${appRole}:${passwords.app}@127.0.0.1:${port}/${databaseName}`
        : undefined,
  };
}

/** Reading needs a shared lock, which the holder's exclusive one refuses. Opened for reading only, nothing is made or written. */
function isHeld(folder: string): boolean {
  const sqlite = process.getBuiltinModule("node:sqlite") as typeof SqliteTypes | undefined;
  if (sqlite === undefined) return false;
  let database: SqliteTypes.DatabaseSync | undefined;
  try {
    database = new sqlite.DatabaseSync(join(folder, "lock"), { readOnly: true });
    database.exec("SELECT count(*) FROM sqlite_master");
    return false;
  } catch (error) {
    return typeof error === "object" && error !== null && "errcode" in error && error.errcode === 5;
  } finally {
    database?.close();
  }
}

function ownerOf(text: string | undefined): number | undefined {
  try {
    const { pid } = JSON.parse(text ?? "") as { pid?: unknown };
    return typeof pid === "number" ? pid : undefined;
  } catch {
    return undefined;
  }
}
