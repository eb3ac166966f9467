// `maestro serve` as a process: its ready line, its settings, its end. Not here: what it serves.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { maestro } from "./command.ts";
import type { Running } from "./command.ts";
import { Gate } from "./stage.ts";

const READY =
  /^maestro ready on (http:\/\/127\.0\.0\.1:(\d+)) \(gRPC 127\.0\.0\.1:(\d+)\), org default, caller local, engine (embedded )?PostgreSQL \d+$/;
const folder = mkdtempSync(join(tmpdir(), "maestro cli-"));
const running: Running[] = [];
let database: TestDatabase;

beforeAll(async () => {
  const [server] = inject("servers");
  if (server === undefined) throw new Error("there is no database server");
  database = await makeDatabase(server);
});
afterAll(async () => {
  for (const one of running) one.signal("SIGKILL");
  await Promise.all(running.map(({ ended }) => ended));
  await database.drop();
  rmSync(folder, { recursive: true, force: true });
});

function command(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const one = maestro(args, { env, cwd: folder });
  running.push(one);
  return one;
}

function serve(
  args: readonly string[],
  env: Readonly<Record<string, string>> = { DATABASE_URL: database.url },
): Running {
  return command(["serve", ...args], env);
}

test("says once where it listens on free ports and as whom, and ends in order on SIGTERM", async () => {
  const server = serve(["--port", "0", "--log-level", "warn"]);
  const [, url = "", port, grpcPort] = await server.line(READY);
  expect([port, grpcPort]).not.toContain("0");
  const health = await fetch(`${url}/readyz`);
  expect(health.status).toBe(200);

  server.signal("SIGTERM");
  const { code, out, err } = await server.ended;
  expect([code, err]).toEqual([0, ""]);
  expect(out.trimEnd().split("\n")).toEqual([expect.stringMatching(READY)]);
});

test("a restart under a running step: the step goes on, and so does who watches it", { timeout: 60_000 }, async () => {
  const server = serve(["--port", "0", "--log-level", "warn"]);
  const [, url = "", port = "", grpcPort = ""] = await server.line(READY);
  const executor = command(["--server", url, "executor", "run", "--name", "stays"]);
  await executor.line(/^attached as exec_/);
  const gate = new Gate(join(folder, "gate"));
  const file = join(folder, "plan.yaml");
  const step = `{ capability: shell, input: { run: "echo begun; ${gate.wait}; echo done" } }`;
  writeFileSync(file, `charter: { name: restart }\ngoal: { name: restart }\nsteps: { held: ${step} }\n`);
  const watching = command(["--server", url, "apply", file]);
  const [, planId = ""] = await executor.line(/^▶ (plan_\w+) held /);
  await watching.line(/▶ held LEASED by stays$/);
  const following = command(["--server", url, "logs", planId, "held", "--follow"]);
  await following.line(/^begun$/);

  // Neither the executor nor the watch holds the server up.
  server.signal("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0, err: "" });
  await Promise.all([
    executor.line(/^detached: /),
    ...[watching, following].map((one) => one.line(/the stream broke/)),
  ]);
  const again = serve(["--port", port, "--grpc-port", grpcPort, "--log-level", "warn"]);
  await again.line(READY);
  await executor.line(/^attached as exec_\w+, 1 leases carry on$/);
  await gate.open();
  const { code, out, err } = await watching.ended;
  expect([code, err]).toEqual([0, ""]);
  expect(out).toMatch(/; 1 of 1 step succeeded;/);
  expect(out.match(/▶ held LEASED/g)).toHaveLength(1);
  // Each line once, and the end of the step is its end.
  expect(await following.ended).toMatchObject({ code: 0, out: "begun\ndone\n" });

  executor.signal("SIGTERM");
  expect((await executor.ended).code).toBe(0);
  expect(executor.out.match(/^▶ /gm)).toHaveLength(1);
  again.signal("SIGINT");
  expect((await again.ended).code).toBe(0);
});

test("runs on the embedded engine when no database is named, in the folder of the environment", async () => {
  const server = serve([], { MAESTRO_PORT: "0", MAESTRO_DATA_DIR: join(folder, "data"), MAESTRO_LOG_LEVEL: "warn" });
  await server.line(/^maestro ready on .*engine embedded PostgreSQL \d+$/);
  server.signal("SIGTERM");
  expect(await server.ended).toMatchObject({ code: 0, err: "" });
});

test("lists every mistake of its settings, wherever they come from, and starts nothing", async () => {
  const file = join(folder, "maestro.yaml");
  writeFileSync(file, "poolSize: 1\ncolour: red\n");
  const server = serve(["--port", "99999", "--config", file], {
    MAESTRO_LOG_LEVEL: "loud",
    DATABASE_URL: "mysql://user:secret@host/db",
    MAESTRO_TLS_CERT: "cert.pem",
  });
  const { code, out, err } = await server.ended;
  expect(code).toBe(2);
  expect(out).toBe("");
  for (const what of [
    /^--port must be a whole number from 0 to 65535, not "99999"$/m,
    /^poolSize in .*maestro\.yaml must be a whole number from 2 to 200, not "1"$/m,
    /^colour in .*maestro\.yaml is not a setting/m,
    /^MAESTRO_LOG_LEVEL must be one of /m,
    /^DATABASE_URL must be written as /m,
    /^MAESTRO_TLS_CERT needs the other/m,
  ])
    expect(err).toMatch(what);
  expect(err.trimEnd().split("\n")).toHaveLength(6);
  expect(err).not.toContain("secret");
});

test("says that everybody needs a key, and how the first one is made while there is none", async () => {
  const needed = ["--port", "0", "--require-auth", "--log-level", "warn"];
  const keyless = serve(needed);
  await keyless.line(/, an API key is needed and there is none: set MAESTRO_BOOTSTRAP_KEY to make the first, engine /);
  keyless.signal("SIGTERM");
  await keyless.ended;

  const key = "0123456789abcdef0123456789abcdef";
  const server = serve(needed, { DATABASE_URL: database.url, MAESTRO_BOOTSTRAP_KEY: key });
  const [, url = ""] = await server.line(/^maestro ready on (\S+) .*, an API key is needed, engine /);
  const whoAmI = (authorization: string) =>
    fetch(`${url}/maestro.v1.IdentityService/WhoAmI`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization },
      body: "{}",
    });
  expect((await whoAmI("")).status).toBe(401);
  expect(await (await whoAmI(`Bearer ${key}`)).json()).toMatchObject({ principal: "bootstrap" });
  server.signal("SIGTERM");
  const { out, err } = await server.ended;
  expect(out + err).not.toContain(key);
});

test("says which port is taken", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as AddressInfo;
  const [wide, fast] = await Promise.all([
    serve(["--port", String(port), "--grpc-port", "0", "--log-level", "warn"]).ended,
    serve(["--port", "0", "--grpc-port", String(port), "--log-level", "warn"]).ended,
  ]);
  taken.close();
  for (const { code, out, err } of [wide, fast]) {
    expect(code).toBe(1);
    expect(out).toBe("");
    expect(err).toMatch(new RegExp(`port ${port} of 127\\.0\\.0\\.1 is taken`));
  }
});

test("makes no database for a port that is taken", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const { port } = taken.address() as AddressInfo;
  const dataDir = join(folder, "never made");
  const { code, err } = await serve(["--grpc-port", String(port), "--port", "0", "--data-dir", dataDir], {}).ended;
  taken.close();
  expect([code, existsSync(dataDir)]).toEqual([1, false]);
  expect(err.trimEnd().split("\n")).toEqual([expect.stringContaining(`port ${port} of 127.0.0.1 is taken`)]);
});

test("ends while it starts, on a database that says nothing", async () => {
  const called = Promise.withResolvers<Socket>();
  const mute = createServer(called.resolve).listen(0, "127.0.0.1");
  await new Promise((resolve) => mute.once("listening", resolve));
  const { port } = mute.address() as AddressInfo;
  const server = serve(["--port", "0"], { DATABASE_URL: `postgres://u:secret@127.0.0.1:${port}/x` });
  const socket = await called.promise;
  server.signal("SIGTERM");
  const { code, out, err } = await server.ended;
  socket.destroy();
  mute.close();
  expect([code, out, err]).toEqual([130, "", ""]);
});

test("says which database does not answer, without its password", async () => {
  const { code, out, err } = await serve(["--port", "0", "--log-level", "warn"], {
    DATABASE_URL: "postgres://someone:secret@127.0.0.1:1/none",
  }).ended;
  expect(code).toBe(1);
  expect(out).toBe("");
  expect(err).toMatch(/127\.0\.0\.1:1/);
  expect(err).not.toContain("secret");
});
