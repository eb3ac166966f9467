// Running commands in tests, and looking at processes from outside. Not here: the tests.
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { runCommand } from "../../src/executor/shell/command.ts";
import type { CommandResult } from "../../src/executor/shell/command.ts";
import type { LogLine } from "../../src/executor/shell/log.ts";
import type { CommandSpec } from "../../src/executor/shell/spec.ts";
import { systemClock } from "../../src/support/clock.ts";

export interface Running {
  readonly lines: LogLine[];
  readonly result: Promise<CommandResult>;
  readonly cancel: () => void;
  /** The first line of the command that matches, as soon as it is there. */
  readonly line: (pattern: RegExp) => Promise<string>;
}

export function start(spec: CommandSpec): Running {
  const lines: LogLine[] = [];
  const waiting: { pattern: RegExp; resolve: (text: string) => void }[] = [];
  const controller = new AbortController();
  const onLog = (line: LogLine): void => {
    lines.push(line);
    for (const { pattern, resolve } of waiting) if (pattern.test(line.text)) resolve(line.text);
  };
  return {
    lines,
    result: runCommand(spec, { onLog, signal: controller.signal, clock: systemClock }),
    cancel: () => controller.abort(),
    line: (pattern) =>
      new Promise((resolve) => {
        const known = lines.find(({ text }) => pattern.test(text));
        if (known === undefined) waiting.push({ pattern, resolve });
        else resolve(known.text);
      }),
  };
}

export async function run(spec: CommandSpec): Promise<CommandResult> {
  return start(spec).result;
}

/** Program and arguments of a Node script. */
export function node(script: string): string[] {
  return [process.execPath, "-e", script];
}

/** A script that starts another one which leaves group and session and cuts its ties, then prints `<name> <pid>`. */
export function escaping(name: string, options = "{}"): string {
  return `
    const child = require("node:child_process").spawn("sleep", ["300"], { detached: true, stdio: "ignore", ...${options} });
    child.unref();
    console.log("${name} " + child.pid);`;
}

export function pidIn(line: string): number {
  return Number(/\d+$/.exec(line.trim())?.[0]);
}

/** A process that nobody waited for yet is dead too; under a first process that never waits it stays in the table. */
export function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  if (process.platform !== "linux") return true;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat[stat.lastIndexOf(")") + 2] !== "Z";
  } catch {
    return false;
  }
}

export async function gone(pid: number): Promise<void> {
  await expect.poll(() => alive(pid), { timeout: 10_000, interval: 20 }).toBe(false);
}
