// Real kills of Maestro, its watchdog and Postgres: nothing acknowledged is lost, nothing is left running, the next start works.
// Not here: the calm life of the engine (engines-embedded.test.ts).
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import postgres from "postgres";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import type { EngineHandle } from "../../src/store/postgres/engines/embedded.ts";
import { lifeTie } from "../../src/store/postgres/engines/embedded-watchdog.ts";
import type { ChildMaestro } from "./engines-support.ts";
import {
  childMaestro,
  onLinux,
  postmasterPid,
  removeFolder,
  scratchFolder,
  serversOf,
  until,
  watchdogOf,
} from "./engines-support.ts";

let scratch: string;
let dataDir: string;

beforeAll(async () => {
  scratch = await scratchFolder();
  dataDir = join(scratch, "data");
});
afterAll(() => removeFolder(scratch));

const open = (): Promise<EngineHandle> => startEmbedded({ dataDir, log: () => undefined });

async function busyChild(): Promise<ChildMaestro> {
  const engine = await open();
  const sql = postgres(engine.url, { max: 1, onnotice: () => undefined });
  await sql`DROP TABLE IF EXISTS kept`;
  await sql.end();
  await engine.stop();
  const child = childMaestro(dataDir, "write");
  await child.fact(({ wrote = 0 }) => wrote >= 50);
  return child;
}

/** Every acknowledged row is there; at most the one in flight is more. */
async function expectNothingLost(child: ChildMaestro): Promise<void> {
  const acknowledged = Math.max(...child.facts.map(({ wrote = 0 }) => wrote));
  const engine = await open();
  const sql = postgres(engine.url, { max: 1 });
  const [row] = await sql<{ rows: number }[]>`SELECT count(*)::int AS rows FROM kept`;
  await sql.end();
  await engine.stop();
  expect((row?.rows ?? 0) - acknowledged).toBeOneOf([0, 1]);
  expect(await serversOf(dataDir)).toEqual([]);
}

const kill9 = (pid: number): boolean => process.kill(pid, "SIGKILL");

describe.runIf(onLinux)("after kill -9", () => {
  test("of Maestro, the server ends by itself", async () => {
    const child = await busyChild();
    await child.kill();
    await until(async () => (await serversOf(dataDir)).length === 0);
    await expectNothingLost(child);
  });

  test.each([1, 2, 3])("of Maestro, a start at the same moment works (round %i)", async () => {
    const child = await busyChild();
    await child.kill();
    await expectNothingLost(child);
  });

  test("of Maestro while it makes the database, the next start makes it", async () => {
    const folder = join(scratch, "early");
    const child = childMaestro(folder);
    await until(() =>
      readFile(join(folder, "owner.json")).then(
        () => true,
        () => false,
      ),
    );
    await child.kill();
    const engine = await startEmbedded({ dataDir: folder, log: () => undefined });
    await engine.stop();
  });

  test("of the watchdog, the server ends too and Maestro is told", async () => {
    const engine = await open();
    kill9(watchdogOf(process.pid));
    expect(await engine.exited).toMatchObject({ cause: "watchdog", signal: "SIGKILL" });
    expect(await serversOf(dataDir)).toEqual([]);
    await engine.stop();
    await (await open()).stop();
  });

  test("of Postgres, Maestro is told with its last lines and may start again", async () => {
    const engine = await open();
    const sql = postgres(engine.url, { max: 1, fetch_types: false, onnotice: () => undefined });
    const onlooker = postgres(engine.url, { max: 1, fetch_types: false });
    const computing = sql`SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b`.catch(
      () => "cut off",
    );
    await until(() =>
      onlooker`SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%generate_series(1,%' AND pid <> pg_backend_pid()`.then(
        ({ count }) => count > 0,
      ),
    );
    await onlooker.end();
    kill9(await postmasterPid(dataDir));
    const exit = await engine.exited;
    expect(exit).toMatchObject({ cause: "postgres", signal: "SIGKILL" });
    expect(exit.lines.join("\n")).toContain("ready to accept connections");
    expect(await computing).toBe("cut off");
    await sql.end({ timeout: 0 });
    const again = await open();
    await again.stop();
    expect(await serversOf(dataDir)).toEqual([]);
  });

  test("of Maestro and the watchdog, Postgres does not outlive the next start", async () => {
    const child = await busyChild();
    const watchdog = watchdogOf(child.pid);
    kill9(watchdog);
    await child.kill();
    // Where the system ties lives together there is no orphan even before that start.
    if ((await lifeTie()).length > 0) await until(async () => (await serversOf(dataDir)).length === 0);
    await expectNothingLost(child);
  });

  test("of Maestro, the watchdog and Postgres, the next start recovers", async () => {
    const child = await busyChild();
    const pids = [watchdogOf(child.pid), await postmasterPid(dataDir)];
    child.process.kill("SIGSTOP");
    for (const pid of pids) kill9(pid);
    await child.kill();
    await expectNothingLost(child);
  });

  test("of one connection's process, the server goes on by itself", async () => {
    const engine = await open();
    const sql = postgres(engine.url, { max: 1, fetch_types: false, onnotice: () => undefined });
    const [own] = await sql<{ pid: number }[]>`SELECT pg_backend_pid() AS pid`;
    kill9(own?.pid ?? 0);
    await until(() =>
      sql`SELECT 1`.then(
        () => true,
        () => false,
      ),
    );
    await sql.end();
    await engine.stop();
  });
});

describe.runIf(onLinux)("a lock file that is left over", () => {
  const lockFile = (): string => join(dataDir, "cluster", "postmaster.pid");
  let left: string;

  beforeAll(async () => {
    const engine = await open();
    left = await readFile(lockFile(), "utf8");
    await engine.stop();
  });

  async function startsDespite(text: string): Promise<void> {
    await writeFile(lockFile(), text);
    await (await open()).stop();
    expect(await serversOf(dataDir)).toEqual([]);
  }
  const naming = (pid: number): string => left.replace(/^\d+/, String(pid));

  test("names a process that is dead", () => startsDespite(left));
  test("names another program, which is left alone", () => startsDespite(naming(process.pid)));
  test("is empty after a power cut", () => startsDespite(""));

  test("names a zombie that nobody reaps", async () => {
    // A child that ends with its input, below a program that never waits for it: the child ends once the shell, which
    // would have waited, has been replaced by that program.
    const parent = spawn("sh", ["-c", "exec 3<&0; cat <&3 >&2 & echo $!; exec sleep 60"], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    try {
      const pid = await new Promise<number>((resolve) =>
        parent.stdout.once("data", (text) => resolve(Number(String(text)))),
      );
      await until(async () => (await readFile(`/proc/${parent.pid}/comm`, "utf8")) === "sleep\n");
      parent.stdin.end();
      await until(async () => / Z /.test(await readFile(`/proc/${pid}/stat`, "utf8")));
      await startsDespite(naming(pid));
    } finally {
      parent.kill();
    }
  });
});
