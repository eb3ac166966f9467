// The cluster: made in one piece, given its logins and database, checked for its major, freed of stale lock files. Not here: running it.
import { spawn } from "node:child_process";
import { chown, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Account } from "./embedded-account.ts";
import { launchTrouble, reaches } from "./embedded-account.ts";
import type { Binaries } from "./embedded-binaries.ts";
import { keepPasswords, passwordsOf, syncFolder } from "./embedded-folder.ts";
import type { Passwords } from "./embedded-folder.ts";
import { EngineError, diskFull, folderTrouble, systemCode } from "./engine-error.ts";

/** The major of the packaged binaries. The platform packages are pinned to it. */
export const packagedMajor = 18;

export const adminRole = "maestro_admin";
export const appRole = "maestro_app";
export const databaseName = "maestro";

/** What every program of the package needs to be run. */
export interface Runtime {
  readonly folder: string;
  readonly cluster: string;
  readonly binaries: Binaries;
  readonly account: Account | undefined;
}

/** Only what the programs need: Maestro's own environment holds secrets and library paths that are none of theirs. */
export function programEnvironment(): Record<string, string> {
  const kept = ["PATH", "SystemRoot", "TEMP", "TMP"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), LC_ALL: "C", TZ: "UTC" };
}

/**
 * How a program is told the cluster. A path the account cannot walk to (a private home), or longer than Postgres takes, is replaced
 * by the working directory: that is entered before the rights are dropped, and /proc/self/cwd needs no walk. The data stay in the
 * data folder that way, instead of somewhere else that nobody backs up.
 */
export async function clusterArgument(cluster: string, account: Account | undefined): Promise<string> {
  if (Buffer.byteLength(cluster) < 900 && (await reaches(account, dirname(cluster)))) return cluster;
  if (process.platform === "linux") return "/proc/self/cwd";
  throw new EngineError(
    "folder-unusable",
    `Postgres${account === undefined ? "" : `, which runs as ${account.name},`} cannot reach ${cluster}.`,
    "Choose another folder with MAESTRO_DATA_DIR, or set DATABASE_URL.",
  );
}

/** Makes sure that a cluster of the right major exists and knows its passwords. No server may be running on it. */
export async function ensureCluster(runtime: Runtime, signal?: AbortSignal): Promise<Passwords> {
  const { folder, cluster } = runtime;
  const { passwords, fresh } = await passwordsOf(folder);
  const recorded = await recordedMajor(cluster);
  try {
    if (recorded === undefined) {
      await createCluster(runtime, passwords, signal);
    } else if (recorded !== packagedMajor) {
      throw new EngineError(
        "major-mismatch",
        `The database in ${folder} was written by Postgres ${recorded}, and this Maestro brings Postgres ${packagedMajor}.`,
        `To take the data along, run "maestro export" of the Maestro that wrote it (Postgres ${recorded}), and "maestro import" of this one into another folder or a server. Until then the Maestro that wrote it still serves it.`,
      );
    } else if (fresh) {
      await provision(runtime, cluster, passwords, signal);
    }
    if (fresh) await keepPasswords(folder, passwords);
  } catch (error) {
    signal?.throwIfAborted();
    if (systemCode(error) === "") throw error;
    throw folderTrouble(folder, error);
  }
  return passwords;
}

// Postgres's own record; a second one could only disagree.
async function recordedMajor(cluster: string): Promise<number | undefined> {
  try {
    return Number.parseInt(await readFile(join(cluster, "PG_VERSION"), "utf8"), 10);
  } catch (error) {
    if (systemCode(error) === "ENOENT") return undefined;
    throw folderTrouble(cluster, error);
  }
}

// Made under another name with everything in it, then renamed: a cluster that exists is whole.
async function createCluster(runtime: Runtime, passwords: Passwords, signal?: AbortSignal): Promise<void> {
  const { folder, cluster, account, binaries } = runtime;
  for (const entry of await readdir(folder)) {
    if (entry.startsWith("cluster.new-"))
      await rm(join(folder, entry), { recursive: true, force: true, maxRetries: 3 });
  }
  const unfinished = await mkdtemp(join(folder, "cluster.new-"));
  try {
    if (account !== undefined) await chown(unfinished, account.uid, account.gid);
    const where = await clusterArgument(unfinished, account);
    // Postgres's own C.UTF-8: text sorts the same on every machine and after every system upgrade.
    const locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"];
    await run(
      runtime,
      unfinished,
      binaries.initdb,
      ["-D", where, "-U", adminRole, "--auth=trust", ...locale],
      "",
      signal,
    );
    await writeFile(join(unfinished, "pg_hba.conf"), hba);
    await provision(runtime, unfinished, passwords, signal);
    await rename(unfinished, cluster);
    await syncFolder(folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined);
    throw error;
  }
}

const hba = `# Written by Maestro. Logins come over the loopback address and with a password.
host ${databaseName} ${appRole},${adminRole} 127.0.0.1/32 scram-sha-256
host postgres ${adminRole} 127.0.0.1/32 scram-sha-256
`;

// In single-user mode, before any server listens. Each line is a statement of its own, and one that fails is passed over: "already
// exists" when passwords are renewed, lz4 where the binaries lack it. What matters is checked by logging in afterwards.
async function provision(
  runtime: Runtime,
  cluster: string,
  { admin, app }: Passwords,
  signal?: AbortSignal,
): Promise<void> {
  const statements = [
    `CREATE ROLE ${appRole}`,
    `ALTER ROLE ${appRole} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD '${app}'`,
    `ALTER ROLE ${adminRole} PASSWORD '${admin}'`,
    `CREATE DATABASE ${databaseName} OWNER ${appRole}`,
    `ALTER SYSTEM SET wal_compression = 'lz4'`,
  ];
  const where = await clusterArgument(cluster, runtime.account);
  const quiet = ["-c", "log_min_error_statement=panic", "-c", "log_checkpoints=off"];
  const args = ["--single", "-D", where, ...quiet, "postgres"];
  await run(runtime, cluster, runtime.binaries.postgres, args, `${statements.join("\n")}\n`, signal);
}

async function run(
  runtime: Runtime,
  cwd: string,
  program: string,
  args: readonly string[],
  input: string,
  signal?: AbortSignal,
): Promise<void> {
  const { account, folder } = runtime;
  const identity = account === undefined ? {} : { uid: account.uid, gid: account.gid };
  const said: string[] = [];
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: programEnvironment(),
      ...identity,
      ...(signal === undefined ? {} : { signal }),
      windowsHide: true,
    });
    child.stdout.on("data", (text) => said.push(String(text)));
    child.stderr.on("data", (text) => said.push(String(text)));
    child.stdin.on("error", () => undefined);
    child.on("error", (error) =>
      reject(signal?.aborted === true ? error : launchTrouble(program, account, error, systemCode(error))),
    );
    child.on("close", resolve);
    child.stdin.end(input);
  });
  if (code !== 0) throw startTrouble(folder, "The database could not be made", said.join("").split("\n"));
}

/** Names the trouble that Postgres reported, with its last lines. */
export function startTrouble(folder: string, what: string, lines: readonly string[]): EngineError {
  const last = lines.filter((line) => line.trim() !== "").slice(-12);
  if (last.some((line) => /No space left on device|Disk quota exceeded/.test(line))) return diskFull(folder);
  const setting = last.find((line) =>
    /unrecognized configuration parameter|(invalid value|requires a .* value|valid range) for parameter|outside the valid range/.test(
      line,
    ),
  );
  if (setting !== undefined)
    return new EngineError(
      "bad-setting",
      `Postgres refused a setting: ${setting.replace(/^.*FATAL:\s*/, "")}.`,
      "Correct it.",
    );
  if (last.some((line) => /shared librar|GLIBC|Library not loaded|setpriv: failed to execute/.test(line))) {
    return new EngineError(
      "unsupported-platform",
      `The packaged Postgres does not run on this machine: ${last.join(" | ")}.`,
      "Set DATABASE_URL to a Postgres server, version 15 or newer.",
    );
  }
  return new EngineError(
    "start-failed",
    `${what} in ${folder}. Postgres said:\n${last.map((line) => `  ${line}`).join("\n")}\n`,
    "Its log is postgres.log in that folder.",
  );
}

/**
 * Makes a lock file left by a dead server harmless. `parentPid` is the process about to start the new server: Postgres takes a lock
 * file that names its own parent for stale, yet still checks the shared memory recorded in it, which guards against backends that
 * nobody else has seen. Deleting the file would give that guard up.
 */
export async function disarmLockFile(cluster: string, parentPid: number): Promise<void> {
  const path = join(cluster, "postmaster.pid");
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return;
  const [pid = "", ...rest] = text.split("\n");
  // Half-written or empty after a power cut: it guards nothing, and Postgres would refuse it.
  if (!/^-?\d+$/.test(pid)) await rm(path, { force: true });
  else if (process.platform !== "win32") await writeFile(path, [parentPid, ...rest].join("\n"));
}
