// `maestro doctor` as a command: settings, ports, certificates, servers and keys, its exit code and its objects. Not here: engine
// and database, see test/contract/doctor-engine.test.ts and test/contract/doctor-database.test.ts.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { examineCertificate } from "../../src/cli/doctor/certificate.ts";
import { examinePorts } from "../../src/cli/doctor/ports.ts";
import { examineServer } from "../../src/cli/doctor/server.ts";
import { systemClock } from "../../src/support/clock.ts";
import type { Finding } from "../../src/support/finding.ts";
import { startServer } from "../transport/server.ts";
import { Stage } from "./stage.ts";

let stage: Stage;
const folder = mkdtempSync(join(tmpdir(), "maestro-doctor-"));
const never = new AbortController().signal;

beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(async () => {
  await stage.close();
  rmSync(folder, { recursive: true, force: true });
});

/** An HTTP server that says this to everything. */
async function answering(status: number, text: string): Promise<{ port: number; end: () => void }> {
  const server = createServer((_, response) => response.writeHead(status).end(text));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, end: () => server.close() };
}

const free = ["--port", "0", "--grpc-port", "0"];

test("a machine in order ends with 0, in lines or objects, and nothing was made", async () => {
  const data = join(folder, "none");
  const args = ["doctor", ...free, "--data-dir", data];
  const text = await stage.run(args);
  expect(text.err).toBe("");
  expect(text.out).toMatch(
    /^ok {4}config\.settings .*\n(.*\n)*ok {4}server\.grants .*\n\d+ checks: 0 failed, \d warnings?\n$/,
  );
  expect(text.code).toBe(0);
  const objects = (await stage.run(["--json", ...args])).out.trimEnd().split("\n");
  const findings = objects.map((line) => JSON.parse(line) as Finding);
  expect(findings).toHaveLength(Number(/^(\d+) checks/m.exec(text.out)?.[1]));
  expect(findings[0]).toEqual({
    check: "config.settings",
    state: "ok",
    found: "The settings are in order.",
    means: "",
    remedy: "",
  });
  expect(readdirSync(folder)).toEqual([]);
});

test("every mistake of the settings is one that fails, and the server is looked at all the same", async () => {
  const { code, out } = await stage.run(["--quiet", "doctor", "--port", "99999", "--pool-size", "x"]);
  expect(code).toBe(1);
  expect(out).toMatch(
    /^FAIL {2}config\.settings +--port must be .*\n +means: .*\n +to do: .*\nFAIL .* --pool-size must be /,
  );
  const all = await stage.run(["--server", "http://127.0.0.1:1", "doctor", "--port", "99999"]);
  expect(all.out).toMatch(/^FAIL {2}server\.reach/m);
});

test("a running embedded database is examined beside its server", async () => {
  const { MAESTRO_DATA_DIR } = { MAESTRO_DATA_DIR: join(folder, "running") };
  const server = stage.start(["serve", ...free, "--log-level", "warn"], { env: { MAESTRO_DATA_DIR } });
  const [, url = ""] = await server.line(/^maestro ready on (\S+)/);
  const { code, out } = await stage.run(["doctor", ...free], { env: { MAESTRO_DATA_DIR, MAESTRO_URL: url } });
  expect(out).toMatch(new RegExp(`engine\\.lock +The folder is in use by Maestro \\(process ${server.pid}\\)`));
  expect(out).toMatch(/^ok {4}database\.schema/m);
  expect(out).toMatch(/^ok {4}work\.servers +At work: Maestro /m);
  expect(code).toBe(0);
  server.signal("SIGTERM");
  await server.ended;
});

describe("ports", () => {
  const examine = (port: number, grpcPort = 0) => examinePorts({ host: "127.0.0.1", port, grpcPort, tls: false });

  test("that somebody else has fail, with the process where that can be seen", async () => {
    const other = await answering(404, "what?");
    const [wide, grpc] = await examine(0, other.port);
    expect(wide).toMatchObject({ check: "ports.wide", state: "ok" });
    expect(grpc).toMatchObject({ check: "ports.grpc", state: "fail", remedy: /--grpc-port/ });
    if (process.platform === "linux") expect(grpc?.found).toContain(`by process ${process.pid} (`);
    expect((await examine(other.port))[0]).toMatchObject({ state: "fail" });
    other.end();
  });

  test("that a Maestro has are in order", async () => {
    const found = await examine(stage.server.widePort, stage.server.grpcPort);
    expect(found.map(({ state }) => state)).toEqual(["ok", "ok"]);
    expect(found[0]?.found).toMatch(/a Maestro answers there/);
  });

  test("of an address that is not this machine's fail", async () => {
    const [wide] = await examinePorts({ host: "192.0.2.1", port: 9, grpcPort: 0, tls: false });
    expect(wide).toMatchObject({ state: "fail", found: /cannot be listened on \(EADDRNOTAVAIL\)|not this user's/ });
  });
});

describe("a certificate", () => {
  const certFile = join(folder, "cert.pem");
  const keyFile = join(folder, "key.pem");
  const at = (days: number) => ({ ...systemClock, nowMs: () => systemClock.nowMs() + days * 86_400_000 });

  test("that is valid, ends soon, has ended, or is none; what it says does not hide the server", async () => {
    expect(await examineCertificate({ certFile, keyFile }, systemClock)).toMatchObject({
      state: "fail",
      found: /ENOENT/,
    });
    const openssl = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost"];
    execFileSync("openssl", [...openssl, "-keyout", keyFile, "-out", certFile], { stdio: "ignore" });
    expect(await examineCertificate({ certFile, keyFile }, systemClock)).toMatchObject({ state: "ok" });
    expect(await examineCertificate({ certFile, keyFile }, at(20))).toMatchObject({
      state: "warn",
      remedy: "Renew it.",
    });
    expect(await examineCertificate({ certFile, keyFile }, at(31))).toMatchObject({ state: "fail" });
    const secure = await startServer({ databaseUrl: stage.database.url, tls: { certFile, keyFile } });
    const ports = { host: "127.0.0.1", port: secure.widePort, grpcPort: secure.grpcPort, tls: true };
    expect((await examinePorts(ports)).map(({ state }) => state)).toEqual(["ok", "ok"]);
    await secure.end();
    writeFileSync(keyFile, "none");
    expect(await examineCertificate({ certFile, keyFile }, systemClock)).toMatchObject({
      state: "fail",
      found: /cannot be used/,
    });
  });
});

describe("a server", () => {
  const examine = (server: string, apiKey?: string, named = true) =>
    examineServer({ server, apiKey, named, signal: never });

  test("that does not answer fails when it was named, and only then", async () => {
    expect(await examine("http://127.0.0.1:1")).toMatchObject([
      { check: "server.reach", state: "fail", found: /ECONNREFUSED|bad port/ },
    ]);
    expect(await examine("http://127.0.0.1:1", undefined, false)).toEqual([]);
  });

  test("that is none, or not ready, is told apart", async () => {
    const other = await answering(404, "what?");
    expect(await examine(`127.0.0.1:${other.port}`)).toMatchObject([{ state: "fail", found: /is no Maestro/ }]);
    other.end();
    const busy = await answering(503, "not ready\n");
    expect(await examine(`127.0.0.1:${busy.port}`)).toMatchObject([{ state: "warn", found: /not ready/ }]);
    busy.end();
    const page = await answering(200, "<html>");
    expect(await examine(`127.0.0.1:${page.port}`)).toMatchObject([
      { state: "ok" },
      { check: "server.key", state: "fail", found: /does not say who calls/ },
    ]);
    page.end();
  });

  test("that asks for a key says whether this one is taken, and what it may do", async () => {
    const bootstrapKey = "0123456789abcdef0123456789abcdef";
    const strict = await startServer({ databaseUrl: stage.database.url, requireAuth: true, bootstrapKey });
    const key = async (secret?: string) =>
      (await examine(strict.wideUrl, secret)).find((f) => f.check === "server.key");
    expect(await key()).toMatchObject({ state: "fail", found: /asks for an API key/, remedy: /MAESTRO_API_KEY/ });
    const wrong = await key("wrong-wrong-wrong-wrong-wrong-wrong");
    expect(wrong).toMatchObject({ state: "fail", found: /does not take this API key/ });
    expect(JSON.stringify(wrong)).not.toContain("wrong-wrong");
    expect(await examine(strict.wideUrl, bootstrapKey)).toMatchObject([
      { state: "ok" },
      { check: "server.key", state: "ok", found: /bootstrap of org default/ },
      { check: "server.grants", state: "ok", found: /^(\d+) of \1 operations are granted: \*\.$/ },
    ]);
    for (const [grant, found] of [
      ["no.such.capability", /it may not ask who it is/],
      ["map.maestro.identity.who", /^1 of \d+ operations/],
    ] as const) {
      const { secret } = await stage.client.identity.createApiKey({
        principal: grant,
        grants: [grant],
        idempotencyKey: grant,
      });
      const findings = await examine(strict.wideUrl, secret);
      expect(findings.at(-1)).toMatchObject({ check: "server.grants", state: "warn", found });
    }
    await strict.end();
  });
});
