// The commands of the Makefile, as users of the REST surface type them.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { clientOf } from "./client.ts";
import { missing } from "./shell.ts";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const ABSENT = missing("make", "npm");
const required = process.env["MAESTRO_TEST_NO_SKIPS"] === "1";
if (!required && ABSENT.length > 0) console.warn(`SKIPPED: the Makefile. Install ${ABSENT.join(", ")}.`);

test("make is there where nothing may be skipped", () => {
  expect(required && ABSENT.length > 0).toBe(false);
});

describe.skipIf(ABSENT.length > 0)("make", () => {
  let folder: string;
  const environment = (port: number): NodeJS.ProcessEnv => ({
    ...process.env,
    PATH: `${dirname(process.execPath)}:${process.env["PATH"] ?? ""}`,
    PORT: String(port),
    MAESTRO_DATA_DIR: folder,
    MAESTRO_LOG_LEVEL: "silent",
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "maestro-make-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("maestro-api serves REST and its documents until it is told to end", async () => {
    // A group of its own, as a terminal gives one: Ctrl-C reaches all of it.
    const api = spawn("make", ["maestro-api"], { cwd: ROOT, env: environment(0), detached: true });
    const ended = once(api, "close");
    let port = 0;
    let said = "";
    for await (const line of createInterface({ input: api.stdout })) {
      said += `${line}\n`;
      port = Number(/^maestro ready on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? "0");
      if (port !== 0) break;
    }
    expect(port, said).toBeGreaterThan(0);
    const ask = clientOf(port);
    expect((await ask("POST", "/maestro/runs", { name: "n", owner: "o" })).status).toBe(201);
    expect((await ask("GET", "/docs")).status).toBe(200);
    process.kill(-(api.pid ?? 0), "SIGINT");
    api.stdout.resume();
    await ended;
  });

  test("maestro-api says when its port is taken, and how to take another one", async () => {
    const other = createServer().listen(0, "127.0.0.1");
    await once(other, "listening");
    const { port } = other.address() as { readonly port: number };
    const api = spawn("make", ["maestro-api"], { cwd: ROOT, env: environment(port) });
    let said = "";
    api.stdout.on("data", (text) => (said += String(text)));
    api.stderr.on("data", (text) => (said += String(text)));
    const [code] = (await once(api, "close")) as [number];
    other.close();
    expect(code).not.toBe(0);
    expect(said).toMatch(new RegExp(`port ${port} of 127\\.0\\.0\\.1 is taken.*--port`));
  });

  test("maestro-test runs tests that are there", () => {
    const { stdout } = spawnSync("make", ["--dry-run", "maestro-test"], { cwd: ROOT, encoding: "utf8" });
    const words = /^npx vitest run --exclude 'test\/fault\/\*\*' (.+)$/m.exec(stdout)?.[1]?.split(" ") ?? [];
    expect(words.length).toBeGreaterThan(5);
    const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
    const listed = spawnSync(
      process.execPath,
      [vitest, "list", "--filesOnly", "--exclude", "test/fault/**", ...words],
      {
        cwd: ROOT,
        encoding: "utf8",
      },
    );
    for (const word of words) expect(listed.stdout, word).toMatch(new RegExp(`^test/.*${word}.*\\.test\\.ts`, "m"));
    expect(listed.stdout).not.toMatch(/^test\/(simulation|fault)\//m);
  });
});
