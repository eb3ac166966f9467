// What `maestro doctor` says of the embedded engine: each fault in a folder of its own. Not here: the database behind it, see
// doctor-database.test.ts.
import { chmod, mkdir, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { examineEngine } from "../../src/store/postgres/doctor/engine.ts";
import type { EngineSurroundings } from "../../src/store/postgres/doctor/engine.ts";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import { lookAt } from "../../src/store/postgres/engines/embedded-look.ts";
import type { Finding } from "../../src/support/finding.ts";
import { asRoot, childMaestro, onLinux, removeFolder, scratchFolder, unprivileged, until } from "./engines-support.ts";

let scratch: string;
/** A folder with a database in it that nobody uses. */
let used: string;

beforeAll(async () => {
  scratch = await scratchFolder();
  used = join(scratch, "used");
  await (await startEmbedded({ dataDir: used, log: () => undefined })).stop();
});
afterAll(() => removeFolder(scratch));

async function examine(dataDir: string, more: Partial<EngineSurroundings> = {}): Promise<readonly Finding[]> {
  return examineEngine({ dataDir, look: await lookAt(dataDir), ...more });
}

/** The findings of one check. */
async function of(check: string, dataDir: string, more?: Partial<EngineSurroundings>): Promise<readonly Finding[]> {
  return (await examine(dataDir, more)).filter((finding) => finding.check === check);
}

/** Everything below a folder with its content's size and time of change. */
async function picture(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true });
  return Promise.all(
    entries.sort().map(async (entry) => {
      const { size, mtimeMs } = await stat(join(folder, entry));
      return `${entry} ${size} ${mtimeMs}`;
    }),
  );
}

test("finds nothing wrong with a folder that was stopped in order, nor with none, and changes neither", async () => {
  const before = await picture(scratch);
  for (const folder of [used, join(scratch, "none", "yet")]) {
    const findings = await examine(folder);
    expect(findings.filter(({ state }) => state !== "ok")).toEqual([]);
    expect(findings.every(({ means, remedy }) => means === "" && remedy === "")).toBe(true);
  }
  expect(await picture(scratch)).toEqual(before);
});

test("a system without packaged programs is named", async () => {
  expect(await of("engine.programs", used, { platform: "aix", arch: "ppc64" })).toMatchObject([
    { state: "fail", found: /no packaged Postgres for aix-ppc64/, remedy: /DATABASE_URL/ },
  ]);
  // Known, but not what is installed here.
  const other = process.platform === "darwin" ? "win32" : "darwin";
  expect(await of("engine.programs", used, { platform: other, arch: "x64" })).toMatchObject([
    { state: "fail", found: /is not installed/, remedy: /omit=optional/ },
  ]);
});

test.skipIf(process.platform === "win32")("a database of another user is named", async () => {
  const found = await unprivileged(() => of("engine.account", asRoot ? used : "/"));
  expect(found).toMatchObject([{ state: "fail", found: /belongs to user \d+, and this is user \d+/ }]);
});
test.runIf(asRoot)("root is told as whom Postgres runs instead", async () => {
  expect(await of("engine.account", used)).toMatchObject([{ state: "ok", found: /refuses to run: it runs as/ }]);
});

describe("a folder", () => {
  test("that is a file, or whose path is too long, cannot be used", async () => {
    const file = join(scratch, "file");
    await writeFile(file, "");
    expect(await of("engine.folder", file)).toMatchObject([{ state: "fail", found: /is a file/ }]);
    expect(await of("engine.folder", join(scratch, "x".repeat(200), "y".repeat(200), "z".repeat(200)))).toMatchObject([
      { state: "fail", found: /longer than 490/ },
    ]);
  });

  test.skipIf(process.platform === "win32")("that its owner closed cannot be used, except by root", async () => {
    const closed = join(scratch, "closed");
    await mkdir(closed, { mode: 0o500 });
    const expected = asRoot ? { state: "ok" } : { state: "fail", found: /may not read and write/ };
    expect(await of("engine.folder", closed)).toMatchObject([expected]);
    await chmod(closed, 0o700);
  });

  test.skipIf(process.platform !== "linux")("below /proc cannot be made", async () => {
    const expected = asRoot ? /no folder can be made there/ : /./;
    expect(await of("engine.folder", "/proc/absent")).toMatchObject([{ state: "fail", found: expected }]);
  });

  test("on a full disk fails, on one that fills up warns", async () => {
    const none = Number.MAX_SAFE_INTEGER;
    expect(await of("engine.space", used, { roomyBytes: none })).toMatchObject([
      { state: "fail", found: /GiB are free/ },
    ]);
    const [{ found = "" } = {}] = await of("engine.space", used);
    const free = Number(/^[\d.]+/.exec(found)?.[0]) * 1024 ** 3;
    expect(await of("engine.space", used, { roomyBytes: free * 2 })).toMatchObject([{ state: "warn" }]);
  });
});

describe("a database in the folder", () => {
  test("of another major, or that cannot be read, fails with the way over", async () => {
    const version = join(used, "cluster", "PG_VERSION");
    const own = await readFile(version, "utf8");
    await writeFile(version, "17\n");
    expect(await of("engine.major", used)).toMatchObject([
      { state: "fail", found: /written by Postgres 17, and this Maestro brings Postgres 18/, remedy: /maestro export/ },
    ]);
    await rm(version);
    expect(await of("engine.major", used)).toMatchObject([{ state: "fail", found: /cannot be read/ }]);
    await writeFile(version, own);
  });

  test.skipIf(process.platform === "win32")("whose passwords others may read, or are lost, warns", async () => {
    const file = join(used, "passwords.json");
    await chmod(file, 0o644);
    expect(await of("engine.passwords", used)).toMatchObject([{ state: "warn", remedy: `chmod 600 ${file}` }]);
    const text = await readFile(file, "utf8");
    await rm(file);
    expect(await of("engine.passwords", used)).toMatchObject([{ state: "warn", found: /missing/ }]);
    await writeFile(file, text, { mode: 0o600 });
  });

  test("that a Maestro uses is said to be, by its process, and where its Postgres answers is known", async () => {
    const child = childMaestro(used);
    await child.fact(({ ready }) => ready !== undefined);
    expect(await of("engine.lock", used)).toMatchObject([
      { state: "ok", found: `The folder is in use by Maestro (process ${child.pid}).` },
    ]);
    expect((await lookAt(used)).url).toMatch(/^postgres:\/\/maestro_app:.+@127\.0\.0\.1:\d+\/maestro$/);
    child.process.stdin?.end();
    await child.gone;
    expect(await of("engine.lock", used)).toMatchObject([{ state: "ok", found: "No Maestro uses the folder." }]);
  });

  test.runIf(onLinux)("whose Postgres outlived its Maestro, and then left its lock file, warns of each", async () => {
    // The same processes without one to hold the lock: what a look finds between the death of a Maestro and that of its Postgres.
    const child = childMaestro(used);
    await child.fact(({ ready }) => ready !== undefined);
    const running = await lookAt(used);
    expect(await examineEngine({ dataDir: used, look: { ...running, held: false } })).toContainEqual(
      expect.objectContaining({
        check: "engine.processes",
        state: "warn",
        found: `Postgres processes of a Maestro that is gone still run (${running.processes.join(", ")}).`,
      }),
    );
    const pid = join(used, "cluster", "postmaster.pid");
    const left = await readFile(pid, "utf8");
    child.process.stdin?.end();
    await child.gone;
    await until(async () => (await lookAt(used)).processes.length === 0);
    await writeFile(pid, left);
    expect(await of("engine.pid", used)).toMatchObject([
      { state: "warn", found: /left behind/, means: /Nothing is lost/ },
    ]);
    await rm(pid);
  });

  test("beside one that was never finished warns", async () => {
    await mkdir(join(used, "cluster.new-abc"));
    expect(await of("engine.remains", used)).toMatchObject([{ state: "warn", found: /cluster\.new-abc/ }]);
    await rm(join(used, "cluster.new-abc"), { recursive: true });
  });
});

test("a link to a folder is looked at as the folder", async () => {
  const link = join(scratch, "link");
  await symlink(used, link);
  expect((await examine(link)).filter(({ state }) => state !== "ok")).toEqual([]);
});
