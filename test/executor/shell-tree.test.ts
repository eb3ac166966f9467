// Ending commands with everything they started: by limit, by cancelling, at their own end, and with their executor.
// Not here: how they end by themselves, see shell-command.test.ts.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { runCommand } from "../../src/executor/shell/command.ts";
import { readProcess } from "../../src/executor/shell/process-table.ts";
import { systemClock } from "../../src/support/clock.ts";
import { alive, escaping, gone, node, pidIn, run, start } from "./shell-support.ts";

const folder = mkdtempSync(join(tmpdir(), "maestro-tree-test-"));
afterAll(() => rmSync(folder, { recursive: true }));
const posix = describe.skipIf(process.platform === "win32");
const linux = process.platform === "linux";

/** A shell line for a Node script, with `'` in neither. */
function shellLine(script: string): string {
  return node(script)
    .map((word) => `'${word.replaceAll("\n", " ")}'`)
    .join(" ");
}

/** The living guard of an executor, by its name and parent. */
async function guardOf(executor: number): Promise<number> {
  const guards = (): number[] =>
    readdirSync("/proc")
      .map(Number)
      .filter((pid) => {
        if (!Number.isInteger(pid) || !alive(pid) || readProcess(pid)?.parent !== executor) return false;
        return readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("maestro-guard");
      });
  await expect.poll(guards).toHaveLength(1);
  return guards()[0] ?? 0;
}

posix("a command that has to end", () => {
  test("is ended by its time limit, with its children", async () => {
    const result = await run({ run: "sleep 300 & echo $!; wait", timeoutMs: 200 });
    expect(result).toMatchObject({ reason: "timeout", exitCode: null, signal: "SIGTERM" });
    await gone(pidIn(result.stdoutTail));
    expect(result.wallMs).toBeLessThan(3_000);
  });

  test("may clean up when it is told to end, and says how it ended", async () => {
    const command = start({ run: "trap 'echo cleaned; exit 9' TERM; echo ready; while :; do sleep 1 & wait $!; done" });
    await command.line(/ready/);
    command.cancel();
    expect(await command.result).toMatchObject({ reason: "cancelled", exitCode: 9, stdoutTail: "ready\ncleaned\n" });
  });

  test("is killed after the grace when it does not listen, with children that do not listen either", async () => {
    const command = start({ run: "trap '' TERM; sh -c 'echo $$; while :; do sleep 1; done'", graceMs: 150 });
    const child = pidIn(await command.line(/^\d+$/));
    command.cancel();
    const result = await command.result;
    expect(result).toMatchObject({ reason: "cancelled", exitCode: null, signal: "SIGKILL" });
    expect(alive(child)).toBe(false);
    expect(result.wallMs).toBeLessThan(5_000);
  });

  test("does not start when it was cancelled before", async () => {
    const file = join(folder, "started");
    const command = start({ run: `touch '${file}'` });
    command.cancel();
    expect(await command.result).toMatchObject({ reason: "cancelled", exitCode: null });
    const io = { onLog: () => undefined, signal: AbortSignal.abort(), clock: systemClock };
    expect(await runCommand({ run: `touch '${file}'` }, io)).toMatchObject({ reason: "cancelled", exitCode: null });
    expect(existsSync(file)).toBe(false);
  });

  test.runIf(linux)("takes along children that left its group and session", async () => {
    const command = start({ run: `${shellLine(escaping("escaped"))}; sleep 300` });
    const escaped = pidIn(await command.line(/^escaped/));
    command.cancel();
    await command.result;
    expect(alive(escaped)).toBe(false);
  });

  test.runIf(linux)("takes along a child that left the session and its environment, too", async () => {
    const script = `${escaping("escaped", "{ env: { PATH: process.env.PATH } }")} setInterval(() => undefined, 1000);`;
    const command = start({ run: shellLine(script) });
    const escaped = pidIn(await command.line(/^escaped/));
    command.cancel();
    await command.result;
    expect(alive(escaped)).toBe(false);
  });

  test("leaves others alone, also another command of the same executor and one that looks like it", async () => {
    const stranger = spawn("sleep", ["300"], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, MAESTRO_MARK: "other.1" },
    });
    const [one, two] = [start({ run: "echo ready; exec sleep 300" }), start({ run: "echo $$; exec sleep 300" })];
    await one.line(/ready/);
    const other = pidIn(await two.line(/^\d+$/));
    one.cancel();
    expect((await one.result).reason).toBe("cancelled");
    expect([alive(other), alive(stranger.pid ?? 0)]).toEqual([true, true]);
    two.cancel();
    await two.result;
    expect(alive(stranger.pid ?? 0)).toBe(true);
    stranger.kill("SIGKILL");
    await once(stranger, "exit");
  });
});

posix("a command that ends by itself", () => {
  test("does not wait for what it left running, and takes it along", async () => {
    const result = await run({ run: "sleep 300 & echo $!; exit 3" });
    expect(result).toMatchObject({ reason: "exited", exitCode: 3 });
    expect(alive(pidIn(result.stdoutTail))).toBe(false);
    expect(result.wallMs).toBeLessThan(3_000);
  });

  test.runIf(linux)("takes along what left its session and holds nothing of it", async () => {
    const result = await run({ run: shellLine(escaping("escaped")) });
    expect(result.exitCode).toBe(0);
    expect(alive(pidIn(result.stdoutTail))).toBe(false);
  });

  test.runIf(linux)("takes along what left session, environment and parent at once", async () => {
    const child = join(folder, "detached");
    const inner = `echo $$ > '${child}'; exec -a X sleep 302`;
    const escape = `(env -i setsid bash -c "${inner.replaceAll("$", "\\$")}" </dev/null >/dev/null 2>&1 &); until [ -s '${child}' ]; do :; done; sleep 0.05; exit 0`;
    expect(await run({ run: ["bash", "-c", escape] })).toMatchObject({ reason: "exited", exitCode: 0 });
    expect(alive(pidIn(readFileSync(child, "utf8")))).toBe(false);
  });

  test.runIf(linux)("takes along what was seen below it before it cut all its ties", async () => {
    // It keeps its parent for a few looks; it has another session, no mark and no badge from the start.
    const first = `require("node:child_process").spawn("setsid", ["sh", "-c", "exec 77<&-; echo $$; exec sleep 302"],
      { stdio: ["ignore", "inherit", "ignore"], env: { PATH: process.env.PATH } }).unref();
      setTimeout(() => process.exit(), 600);`;
    const result = await run({ run: node(first) });
    expect(alive(pidIn(result.stdoutTail))).toBe(false);
  });

  test("waits a moment for a filter that is still writing", async () => {
    const result = await run({ run: "{ trap '' TERM; sleep 0.2; echo late; } & echo early" });
    expect(result.stdoutTail).toBe("early\nlate\n");
  });
});

posix("an executor that dies", () => {
  const host = fileURLToPath(new URL("./shell-host.ts", import.meta.url));
  const flags = ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"];

  async function startHost(
    command: string,
  ): Promise<{ pid: number; kill: () => Promise<void>; line: (pattern: RegExp) => Promise<string> }> {
    const child = spawn(process.execPath, [...flags, host, command], { stdio: ["ignore", "pipe", "inherit"] });
    const lines: string[] = [];
    const waiting: (() => void)[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      for (const wake of waiting.splice(0)) wake();
    });
    await once(child, "spawn");
    return {
      pid: child.pid ?? 0,
      kill: async () => {
        child.kill("SIGKILL");
        await once(child, "exit");
      },
      line: async (pattern) => {
        for (;;) {
          const found = lines.find((line) => pattern.test(line));
          if (found !== undefined) return found;
          await new Promise<void>((resolve) => waiting.push(resolve));
        }
      },
    };
  }

  test("by kill -9 takes its command along, which writes no more, and leaves no folder", async () => {
    const file = join(folder, "written");
    const escape = linux ? shellLine(escaping("escaped")) : "echo escaped 0";
    const executor = await startHost(
      `trap '' TERM HUP; ${escape}; echo "folder $MAESTRO_OUTPUTS"; sleep 300 & echo "child $!"; echo "shell $$"; while :; do echo x >> '${file}'; sleep 0.05; done`,
    );
    const pids = await Promise.all(
      [/^escaped/, /^child/, /^shell/].map(async (name) => pidIn(await executor.line(name))),
    );
    const outputs = (await executor.line(/^folder/)).slice("folder ".length);
    await expect.poll(() => existsSync(file)).toBe(true);
    await executor.kill();
    for (const pid of pids.filter((pid) => pid > 0)) await gone(pid);
    const size = statSync(file).size;
    await expect.poll(() => existsSync(dirname(dirname(outputs))), { timeout: 5_000 }).toBe(false);
    expect(statSync(file).size).toBe(size);
  });

  test("while another lives takes only its own along", async () => {
    const mine = start({ run: "echo $$; exec sleep 300" });
    const survivor = pidIn(await mine.line(/^\d+$/));
    const executor = await startHost("echo $$; exec sleep 300");
    const victim = pidIn(await executor.line(/^\d+$/));
    await executor.kill();
    await gone(victim);
    expect(alive(survivor)).toBe(true);
    mine.cancel();
    await mine.result;
  });

  test.runIf(linux)("after its guard died takes its command along all the same", async () => {
    const executor = await startHost("echo $$; exec sleep 300");
    const victim = pidIn(await executor.line(/^\d+$/));
    const first = await guardOf(executor.pid);
    process.kill(first, "SIGKILL");
    await expect.poll(() => guardOf(executor.pid)).not.toBe(first);
    await executor.kill();
    await gone(victim);
  });

  test.runIf(linux)("as the command of another ends with all its commands when that one is cancelled", async () => {
    const inner = [process.execPath, ...flags, host, `${shellLine(escaping("escaped"))}; sleep 300`];
    const outer = start({ run: inner, graceMs: 100 });
    const escaped = pidIn(await outer.line(/^escaped/));
    outer.cancel();
    await outer.result;
    expect(alive(escaped)).toBe(false);
  });

  test("is not kept alive by its guard", async () => {
    const executor = await startHost("true");
    expect(await executor.line(/^ended/)).toBe("ended 0");
  });
});
