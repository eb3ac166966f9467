// Commands that end by themselves, or never start. Not here: ending them, see shell-tree.test.ts.
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { node, run, start } from "./shell-support.ts";

const folder = mkdtempSync(join(tmpdir(), "maestro-shell-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const posix = describe.skipIf(process.platform === "win32");

posix("how a command ends", () => {
  test("reports exit code, output of both streams, and times", async () => {
    const command = start({ run: "echo out; echo err >&2; exit 7" });
    const result = await command.result;
    expect(result).toMatchObject({
      ...{ reason: "exited", exitCode: 7, signal: null },
      ...{ stdoutTail: "out\n", stderrTail: "err\n", stdoutBytes: 4, stderrBytes: 4 },
    });
    expect(result.finishedAtMs - result.startedAtMs).toBe(result.wallMs);
    expect(command.lines.map(({ stream, text }) => `${stream}: ${text}`).sort()).toEqual([
      "stderr: err",
      "stdout: out",
    ]);
    expect(command.lines[0]?.atMs).toBeGreaterThanOrEqual(result.startedAtMs);
  });

  test("names the signal that ended it", async () => {
    expect(await run({ run: "kill -SEGV $$" })).toMatchObject({ reason: "exited", exitCode: null, signal: "SIGSEGV" });
  });

  test("runs a list without a shell, and text with the shell that was asked for", async () => {
    expect((await run({ run: ["echo", "$HOME; *"] })).stdoutTail).toBe("$HOME; *\n");
    const shell = join(folder, "my shell");
    writeFileSync(shell, '#!/bin/sh\necho "mine: $1 $2"\n', { mode: 0o755 });
    expect((await run({ run: "a b", shell })).stdoutTail).toBe("mine: -c a b\n");
  });

  test("hands over input, and survives a command that does not read it", async () => {
    expect((await run({ run: "cat", stdin: "Grüße\n" })).stdoutTail).toBe("Grüße\n");
    expect((await run({ run: "exec 0<&-; true", stdin: "x".repeat(1_000_000) })).exitCode).toBe(0);
    expect((await run({ run: "cat" })).stdoutBytes).toBe(0);
  });

  test.runIf(existsSync("/bin/bash"))("does not make bash read its user's settings", async () => {
    writeFileSync(join(folder, ".bashrc"), "echo settings");
    const spec = { run: "cat", shell: "/bin/bash", stdin: "input\n", env: { HOME: folder } };
    expect((await run(spec)).stdoutTail).toBe("input\n");
  });

  test("works in the folder it is given", async () => {
    expect((await run({ run: 'basename "$(pwd)"', cwd: folder })).stdoutTail.trim()).toBe(folder.split("/").at(-1));
  });

  test("lets scripts open their streams by name", async () => {
    const { stdoutTail, stderrTail } = await run({ run: "echo a > /dev/stdout; echo b > /dev/stderr" });
    expect([stdoutTail, stderrTail]).toEqual(["a\n", "b\n"]);
  });

  test("survives a flood in bounded memory and time, and keeps its end", async () => {
    const before = process.memoryUsage.rss();
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
    const command = start({ run: "yes 0123456789abcdef | head -c 52428800; echo; echo last" });
    const result = await command.result;
    clearInterval(watch);
    expect(result).toMatchObject({ exitCode: 0, stdoutBytes: 52_428_806 });
    expect(result.stdoutTail.endsWith("\nlast\n")).toBe(true);
    expect(Buffer.byteLength(result.stdoutTail)).toBe(8_192);
    expect(command.lines.length).toBeLessThan(4_500 + result.wallMs * 1.5);
    expect(command.lines.some(({ text }) => /^… \d+ lines .* left out/.test(text))).toBe(true);
    expect(most - before).toBeLessThan(150 * 1024 * 1024);
    expect(result.wallMs).toBeLessThan(10_000);
  });

  test.runIf(process.platform === "linux")("measures processor time and memory", async () => {
    const script = "const b = Buffer.alloc(80e6, 1); const end = Date.now() + 300; while (Date.now() < end); b.at(0)";
    const { cpuMs, maxRssBytes } = await run({ run: node(script) });
    expect(cpuMs).toBeGreaterThan(100);
    expect(maxRssBytes).toBeGreaterThan(80e6);
  });
});

posix("many commands at once", () => {
  test("do not get into each other's way", async () => {
    const results = await Promise.all(
      Array.from({ length: 20 }, async (_, n) =>
        run({ run: `echo ${n}; echo '{"n":${n}}' > "$MAESTRO_OUTPUTS"; exit ${n}`, stdin: "x" }),
      ),
    );
    expect(results.map(({ exitCode, stdoutTail, outputs }) => [exitCode, Number(stdoutTail), outputs?.["n"]])).toEqual(
      Array.from({ length: 20 }, (_, n) => [n, n, n]),
    );
  });

  test.runIf(process.platform === "linux")("leave no descriptor open, whether they start or not", async () => {
    const open = (): number => readdirSync("/proc/self/fd").length;
    await run({ run: "true" });
    const before = open();
    for (const spec of [{ run: "sleep 300 & exit 0" }, { run: ["no-such-program-here"] }, { run: ["echo", "a\0"] }]) {
      await run(spec);
    }
    expect(open()).toBe(before);
  });
});

posix("commands that cannot be started", () => {
  test.each([
    [
      "a missing program",
      { run: ["no-such-program-here"], env: { PATH: "/usr/bin:/bin" } },
      /^ENOENT: program not found: no-such-program-here$/,
    ],
    ["a missing shell", { run: "true", shell: "/no/such/shell" }, /^ENOENT: program not found/],
    ["a program without the right to run", { run: [join(folder, "plain")] }, /^EACCES: not allowed/],
    ["a missing folder", { run: "true", cwd: join(folder, "none") }, /^ENOENT: cwd does not exist/],
    ["a file as folder", { run: "true", cwd: join(folder, "plain") }, /^ENOTDIR: cwd is not a folder/],
    ["too large an argument", { run: ["echo", "x".repeat(4_000_000)] }, /^E2BIG/],
    ["a NUL in an argument", { run: ["echo", "a\0b"] }, /^ERR_INVALID_ARG_VALUE/],
  ])("%s is a result with its reason", async (_, spec, message) => {
    writeFileSync(join(folder, "plain"), "no program");
    chmodSync(join(folder, "plain"), 0o644);
    const result = await run(spec);
    expect(result).toMatchObject({ reason: "spawn_failed", exitCode: null, signal: null, stdoutBytes: 0 });
    expect(result.spawnError).toMatch(message);
  });
});

posix("what a command sees of its host", () => {
  test("gets the little it needs, what the step gives, and none of the executor's secrets", async () => {
    const secrets = {
      MAESTRO_API_KEY: "k-secret",
      DATABASE_URL: "postgres://secret",
      AWS_SECRET_ACCESS_KEY: "a-secret",
    };
    Object.assign(process.env, secrets);
    try {
      const { stdoutTail } = await run({
        run: "env",
        env: { MAESTRO_STEP: "build", COLOUR: "blue" },
        tailBytes: 32_768,
      });
      const seen = new Map(stdoutTail.split("\n").map((line) => [line.split("=")[0], line]));
      expect(seen.get("PATH")).toBe(`PATH=${process.env["PATH"]}`);
      expect(seen.get("MAESTRO_STEP")).toBe("MAESTRO_STEP=build");
      expect(seen.get("COLOUR")).toBe("COLOUR=blue");
      expect(Object.keys(secrets).filter((name) => seen.has(name))).toEqual([]);
      expect(stdoutTail).not.toContain("secret");
    } finally {
      for (const name of Object.keys(secrets)) delete process.env[name];
    }
  });

  test("a step may name a database of its own", async () => {
    expect((await run({ run: "echo $DATABASE_URL", env: { DATABASE_URL: "mine" } })).stdoutTail).toBe("mine\n");
  });
});

posix("structured outputs", () => {
  test("are read from the file in a private folder, which is removed", async () => {
    const command = start({
      run: `printf '{"tarball":"a.tgz","size":3}' > "$MAESTRO_OUTPUTS"; echo "$MAESTRO_OUTPUTS"; exit 4`,
    });
    const result = await command.result;
    expect(result).toMatchObject({ exitCode: 4, outputs: { tarball: "a.tgz", size: 3 } });
    expect(existsSync(dirname(result.stdoutTail.trim()))).toBe(false);
  });

  test("lie where nobody else can enter", async () => {
    const { stdoutTail } = await run({
      run: node(
        'console.log(require("fs").statSync(require("path").dirname(process.env.MAESTRO_OUTPUTS)).mode & 0o777)',
      ),
    });
    expect(Number(stdoutTail)).toBe(0o700);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
  });

  test("may be left out", async () => {
    expect(await run({ run: "true" })).not.toHaveProperty("outputs");
    expect(await run({ run: ': > "$MAESTRO_OUTPUTS"' })).not.toHaveProperty("outputsError");
    expect((await run({ run: 'echo "${MAESTRO_OUTPUTS-none}"', outputsFile: false })).stdoutTail).toBe("none\n");
  });

  test.each([
    ['printf "{oops" > "$MAESTRO_OUTPUTS"', /is not JSON/],
    ['echo "[1]" > "$MAESTRO_OUTPUTS"', /must hold a JSON object/],
    [`echo '{"a":"\\u0000"}' > "$MAESTRO_OUTPUTS"`, /holds a NUL character/],
    [`echo '{"a":1e300}' > "$MAESTRO_OUTPUTS"`, /holds a number beyond/],
    [
      `printf '{"a":%0100d' 0 | tr 0 '[' > "$MAESTRO_OUTPUTS"; printf '%0100d}' 0 | tr 0 ']' >> "$MAESTRO_OUTPUTS"`,
      /nests deeper than 64/,
    ],
    ['head -c 300000 /dev/zero > "$MAESTRO_OUTPUTS"', /has 300000 bytes; at most 262144/],
    ['ln -s /etc/passwd "$MAESTRO_OUTPUTS"', /it is a link/],
    ['mkdir "$MAESTRO_OUTPUTS"', /is no regular file/],
    ['mkfifo "$MAESTRO_OUTPUTS"', /is no regular file/],
  ])("that are unfit are an error beside the result: %s", async (script, message) => {
    const result = await run({ run: script });
    expect(result.exitCode).toBe(0);
    expect(result).not.toHaveProperty("outputs");
    expect(result.outputsError).toMatch(message);
  });
});
