// The Postgres that is measured on: the one named in the environment, or a tuned Postgres 15 of this machine in a scratch folder,
// or the embedded engine. Not here: what is measured.
import { spawn, spawnSync } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import postgres from "postgres";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import { freePort } from "../support/server-process.ts";

export interface BenchPostgres {
  /** What it is, for the reader. */
  readonly what: string;
  /** As a login that row-level security binds, owner of an empty database. */
  readonly url: string;
  /** CPU time of its processes so far, ms; NaN when they are not ours to see. */
  cpuMs(): number;
  stop(): Promise<void>;
}

/** Enough memory, rare checkpoints, random reads as cheap as they are on such a disk; fsync stays on. */
const TUNED: Readonly<Record<string, string>> = {
  shared_buffers: "1GB",
  max_wal_size: "4GB",
  min_wal_size: "1GB",
  wal_buffers: "16MB",
  checkpoint_timeout: "15min",
  wal_compression: "lz4",
  random_page_cost: "1.1",
  jit: "off",
};
const DEBIAN = "/usr/lib/postgresql";

/** With `embeddedAsked` the engine that Maestro brings, whatever else there is. */
export async function benchPostgres(embeddedAsked: boolean): Promise<BenchPostgres> {
  if (embeddedAsked) return await embedded();
  const given = process.env["MAESTRO_BENCH_DATABASE_URL"] ?? process.env["DATABASE_URL"];
  if (given !== undefined && given !== "")
    return {
      what: `${await versionOf(given)} behind the given URL, as it is set`,
      url: given,
      cpuMs: () => Number.NaN,
      stop: async () => undefined,
    };
  const major = existsSync(DEBIAN)
    ? readdirSync(DEBIAN)
        .filter((name) => Number(name) >= 15 && existsSync(join(DEBIAN, name, "bin/postgres")))
        .sort()[0]
    : undefined;
  return major === undefined ? embedded() : local(join(DEBIAN, major, "bin"));
}

async function embedded(): Promise<BenchPostgres> {
  const folder = scratch();
  const engine = await startEmbedded({ dataDir: join(folder, "data"), log: () => undefined });
  return {
    what: `the embedded engine, ${await versionOf(engine.url)}`,
    url: engine.url,
    cpuMs: () => Number.NaN,
    stop: async () => {
      await engine.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function local(bin: string): Promise<BenchPostgres> {
  const folder = scratch();
  const data = join(folder, "data");
  mkdirSync(data);
  const account = postgresAccount();
  if (account !== undefined) chownSync(data, account.uid, account.gid);
  chmodSync(data, 0o700);
  const as = { ...account, cwd: "/", stdio: "ignore" } as const;
  const made = spawnSync(
    join(bin, "initdb"),
    ["-D", data, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
    as,
  );
  if (made.status !== 0) throw new Error("initdb failed");
  const port = await freePort();
  const settings = {
    ...TUNED,
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "60",
  };
  const server = spawn(
    join(bin, "postgres"),
    ["-D", data, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])],
    as,
  );
  const adminUrl = `postgres://bench@127.0.0.1:${port}/postgres`;
  await accepts(adminUrl, server);
  const admin = postgres(adminUrl, { max: 1, onnotice: () => undefined });
  await admin`CREATE ROLE maestro LOGIN NOSUPERUSER NOBYPASSRLS`;
  await admin`CREATE DATABASE maestro OWNER maestro`;
  await admin.end();
  const url = `postgres://maestro@127.0.0.1:${port}/maestro`;
  return {
    what: `${await versionOf(url)}, tuned, in a scratch folder`,
    url,
    cpuMs: () => cpuMsBelow(server.pid ?? 0),
    stop: async () => {
      const gone = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGINT");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** CPU time of a process and its children, where the system shows it; of children that are gone only what the parent inherited. */
function cpuMsBelow(parent: number): number {
  if (process.platform !== "linux") return Number.NaN;
  let ticks = 0;
  for (const entry of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      // After the command's name, which may hold anything, come state, parent, …; fields 12 to 15 are the times.
      const fields = readFileSync(`/proc/${entry}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      if (Number(entry) === parent)
        ticks += Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
      else if (Number(fields[1]) === parent) ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      // It ended meanwhile.
    }
  }
  return ticks * 10;
}

/** Postgres does not run as root; the account that its packages make does. */
function postgresAccount(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(spawnSync("id", [flag, "postgres"], { encoding: "utf8" }).stdout);
  return { uid: id("-u"), gid: id("-g") };
}

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), "maestro-bench-"));
  // As root the server runs as another account, which must be able to pass.
  chmodSync(folder, 0o755);
  return folder;
}

async function accepts(url: string, server: ChildProcess): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (server.exitCode !== null) throw new Error("postgres ended while starting");
    const sql = postgres(url, { max: 1, connect_timeout: 1, onnotice: () => undefined });
    const there = await sql`SELECT 1`.then(
      () => true,
      () => false,
    );
    await sql.end({ timeout: 1 });
    if (there) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("postgres does not accept connections");
}

async function versionOf(url: string): Promise<string> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  const [row] = await sql<{ server_version: string }[]>`SHOW server_version`;
  await sql.end();
  return `Postgres ${row?.server_version ?? "unknown"}`;
}
