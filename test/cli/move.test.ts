// `maestro export` and `maestro import` as processes: plans that go on elsewhere, kills, and what a large installation costs.
// Not here: rows and refusals one by one, see test/contract/move.test.ts.
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, inject, test } from "vitest";
import { asAdmin, makeBareDatabase, makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { fill } from "../support/filled.ts";
import { here, maestro } from "./command.ts";
import type { Ended, Running } from "./command.ts";
import { planIn } from "./stage.ts";

const folder = mkdtempSync(join(tmpdir(), "maestro-move-"));
const running: Running[] = [];
const databases: TestDatabase[] = [];
const at = (name: string): string => join(folder, name);

afterAll(async () => {
  for (const one of running) one.signal("SIGKILL");
  await Promise.all(running.map(({ ended }) => ended));
  for (const one of databases) await one.drop();
  rmSync(folder, { recursive: true, force: true });
});

type Env = Readonly<Record<string, string>>;

function start(env: Env, ...args: readonly string[]): Running {
  const one = maestro(args, { env, cwd: folder });
  running.push(one);
  return one;
}

/** Those that no signal and no pipe is about run in this process, which is quicker. */
async function done(env: Env, ...args: readonly string[]): Promise<Ended> {
  const ended = await here(args, env);
  expect(ended.code, ended.err).toBe(0);
  return ended;
}

async function database(make = makeBareDatabase): Promise<TestDatabase> {
  const server = inject("servers").at(-1);
  if (server === undefined) throw new Error("there is no database server");
  const one = await make(server);
  databases.push(one);
  return one;
}

async function end(one: Running, signal: NodeJS.Signals): Promise<void> {
  one.signal(signal);
  await one.ended;
}

/** A server on that database, and an executor of that name on it. */
async function open(env: Env, executor: string) {
  const server = start(env, "serve", "--port", "0", "--log-level", "warn");
  const [, url = ""] = await server.line(/^maestro ready on (\S+)/);
  const at = { MAESTRO_URL: url };
  const worker = start(at, "executor", "run", "--name", executor);
  await worker.line(/^attached as exec_/);
  return { server, worker, at };
}

test.concurrent(
  "running plans go on in a server's database, and then in another folder, to their end",
  async () => {
    const home = { MAESTRO_DATA_DIR: at("home") };
    const first = await open(home, "first");
    const waits = (name: string): string =>
      `{ capability: shell, ${name === "one" ? "" : `needs: [${name === "two" ? "one" : "two"}], `}input: { run: "until [ -e ${name}.go ]; do sleep 0.1; done; echo ${name} done" } }`;
    writeFileSync(
      at("plan.yaml"),
      `charter: { name: move }\ngoal: { name: moved }\nsteps:\n  one: ${waits("one")}\n  two: ${waits("two")}\n  three: ${waits("three")}\n`,
    );
    writeFileSync(at("one.go"), "");
    const planId = planIn((await done(first.at, "apply", at("plan.yaml"), "--detach")).out);
    await first.worker.line(/▶ plan_\w+ two /);
    // A crash of everything, with a step under way.
    await end(first.worker, "SIGKILL");
    await end(first.server, "SIGKILL");
    await done(home, "export", "--output", at("first.export"));

    const away = { DATABASE_URL: (await database()).url };
    const { out } = await done(away, "import", at("first.export"));
    expect(out).toMatch(/^imported installation \S+ into the database: 1 plan with 3 steps, /);
    const second = await open(away, "second");
    // Its lease belonged to a server that is no more.
    await second.worker.line(/▶ plan_\w+ two /);
    writeFileSync(at("two.go"), "");
    await second.worker.line(/▶ plan_\w+ three /);
    const refused = await here(["export", "--output", at("busy.export")], away);
    expect(refused).toMatchObject({ code: 1, err: expect.stringMatching(/in use: Maestro .* --force/) as string });
    expect([existsSync(at("busy.export")), existsSync(at("busy.export.unfinished"))]).toEqual([false, false]);
    const forced = await done(away, "export", "--output", at("busy.export"), "--force");
    expect(forced.err).toMatch(/^warning: .*done twice/m);
    await end(second.worker, "SIGKILL");
    await end(second.server, "SIGTERM");
    await done(away, "export", "--output", at("second.export"));

    const back = { MAESTRO_DATA_DIR: at("back") };
    await done(back, "import", at("second.export"));
    const third = await open(back, "third");
    writeFileSync(at("three.go"), "");
    const watched = await done(third.at, "watch", planId);
    expect(watched.out).toMatch(/3 of 3 steps succeeded/);
    await end(third.worker, "SIGTERM");
    await end(third.server, "SIGTERM");
  },
  240_000,
);

test.concurrent(
  "a file that exists is not overwritten, a terminal gets none, and results are objects when asked for",
  async () => {
    const env = { DATABASE_URL: (await database(makeDatabase)).url };
    writeFileSync(at("taken"), "mine");
    expect(await here(["export", "--output", at("taken")], env)).toMatchObject({ code: 2 });
    expect(readFileSync(at("taken"), "utf8")).toBe("mine");
    const { out } = await done(env, "--json", "export", "--output", at("empty.export"));
    expect(JSON.parse(out)).toMatchObject({ rows: 1, installation_id: expect.any(String) as string });
    expect(statSync(at("empty.export")).mode & 0o777).toBe(0o600);
    const nowhere = await here(["export", "--data-dir", at("nowhere"), "--output", at("none.export")], env);
    expect(nowhere).toMatchObject({ code: 1, err: expect.stringMatching(/no database in \S+nowhere/) as string });
    expect([existsSync(at("nowhere")), existsSync(at("none.export.unfinished"))]).toEqual([false, false]);
    const piped = await start(env, "--quiet", "export").ended;
    expect(piped.out.startsWith("maestro-export\n")).toBe(true);
  },
);

test.concurrent("200 MB are moved within a bounded memory", { timeout: 240_000 }, async () => {
  const source = await database(makeDatabase);
  await fill(source.adminUrl, { orgs: 1, plansEach: 5, stepsEach: 4_000, definitionBytes: 9_000 });
  const small = await peakOf(start({ DATABASE_URL: (await database(makeDatabase)).url }, "export", "--output", "none"));
  const taken = await peakOf(start({ DATABASE_URL: source.url }, "export", "--output", "large.export"));
  const brought = await peakOf(start({ DATABASE_URL: (await database()).url }, "import", "large.export"));
  const megabytes = statSync(at("large.export")).size / 1_000_000;
  expect(megabytes).toBeGreaterThan(200);
  // What it costs beyond a command that moves nothing: what the collector leaves lying for a while, however much is moved.
  expect(Math.max(taken, brought) - small).toBeLessThan(140);
});

test.concurrent("a killed import leaves nothing, and is made again", { timeout: 240_000 }, async () => {
  const source = await database(makeDatabase);
  await fill(source.adminUrl, { orgs: 1, plansEach: 2, stepsEach: 3_000, definitionBytes: 400 });
  await done({ DATABASE_URL: source.url }, "export", "--output", at("some.export"));
  const target = await database();
  const places: readonly Env[] = [{ DATABASE_URL: target.url }, { MAESTRO_DATA_DIR: at("killed") }];
  const killAndRepeat = async (place: Env): Promise<void> => {
    const killed = start(place, "import", "some.export");
    await killed.line(/^plans {2}/);
    await end(killed, "SIGKILL");
    expect(killed.out).toBe("");
    if ("DATABASE_URL" in place) {
      const [left] = await asAdmin(
        target.adminUrl,
        (sql) => sql<{ n: number }[]>`SELECT count(*)::int AS n FROM maestro.plans`,
      );
      expect(left?.n).toBe(0);
    }
    const again = await done(place, "import", at("some.export"));
    expect(again.out).toMatch(/: 2 plans with 6000 steps, /);
  };
  await Promise.all(places.map(killAndRepeat));
});

/** Runs it to its end; most memory that it had, MB. */
async function peakOf(one: Running): Promise<number> {
  let over = false;
  let peak = 0;
  void one.ended.then(() => (over = true));
  while (!over) {
    const [, kilobytes = "0"] = /VmHWM:\s+(\d+)/.exec(statusOf(one.pid)) ?? [];
    peak = Math.max(peak, Number(kilobytes) / 1_000);
    await delay(20);
  }
  expect(await one.ended).toMatchObject({ code: 0 });
  return peak;
}

function statusOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return "";
  }
}
