// Runs one command of a step on this host and says what became of it. Never throws: what goes wrong is a result.
// Not here: what a step's input may say (spec.ts), and the connection to Maestro.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { open, rm, writeFile } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../support/clock.ts";
import { readArtifacts } from "./artifacts-file.ts";
import type { CommandArtifacts } from "./artifacts-file.ts";
import { ARTIFACTS, commandEnvironment, MARK, OUTPUTS } from "./environment.ts";
import { guard } from "./guard.ts";
import { LogBudget } from "./log.ts";
import type { LogLine } from "./log.ts";
import { Output } from "./output.ts";
import { readOutputs } from "./outputs-file.ts";
import type { CommandOutputs } from "./outputs-file.ts";
import { closePipes, closeTheirs, outputPipes } from "./pipes.ts";
import { BADGE_FD, badgeOf, hasProcessTable } from "./process-table.ts";
import { ProcessTree } from "./process-tree.ts";
import { folderProblem, programOf, spawnProblem } from "./program.ts";
import { GRACE_MS, TAIL_BYTES } from "./spec.ts";
import type { CommandSpec } from "./spec.ts";
import { UsageMeter } from "./usage.ts";
import type { MeasuredUsage } from "./usage.ts";

/** How long output may still arrive after the command ended, before what holds it open is ended too. */
const DRAIN_MS = 500;
/** What a command leaves running when it ends by itself gets at most this long to end as well. */
const LEFTOVER_GRACE_MS = 1_000;
/** Longer timers fire at once. */
const LONGEST_TIMER_MS = 2_147_483_647;

export interface CommandResult extends MeasuredUsage, CommandOutputs, CommandArtifacts {
  /** Null when a signal ended it, or when it never ran. */
  readonly exitCode: number | null;
  /** Name of the signal that ended it. */
  readonly signal: string | null;
  readonly stdoutTail: string;
  readonly stderrTail: string;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly wallMs: number;
  /** Why it ended: by itself, because of its time limit, because the caller's signal was aborted; or it never ran. */
  readonly reason: "exited" | "timeout" | "cancelled" | "spawn_failed";
  /** One sentence, with the system's code where there is one. */
  readonly spawnError?: string;
}

export interface CommandIo {
  /** Called for each line, in order per stream. Must not throw. */
  readonly onLog: (line: LogLine) => void;
  /** Its abort ends the command: TERM to the whole tree, KILL after the grace. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
}

/** How a command went, before times are added. */
type Course = Omit<CommandResult, "startedAtMs" | "finishedAtMs" | "wallMs">;

const NOTHING = {
  exitCode: null,
  signal: null,
  stdoutTail: "",
  stderrTail: "",
  stdoutBytes: 0,
  stderrBytes: 0,
} as const;

/**
 * Runs the command to its end, and the ends of all that it started: nothing of it runs any more when the promise resolves,
 * except processes that are not this user's. Should this process be killed meanwhile, the guard ends the command.
 */
export async function runCommand(spec: CommandSpec, io: CommandIo): Promise<CommandResult> {
  const startedAtMs = io.clock.nowMs();
  const startMs = io.clock.monotonicMs();
  const course = await inFolder(spec, io);
  const wallMs = Math.round(io.clock.monotonicMs() - startMs);
  return { ...course, startedAtMs, finishedAtMs: startedAtMs + wallMs, wallMs };
}

async function inFolder(spec: CommandSpec, io: CommandIo): Promise<Course> {
  if (io.signal.aborted) return { ...NOTHING, reason: "cancelled" };
  const problem = await folderProblem(spec.cwd);
  if (problem !== undefined) return notRun(problem);
  let folder: string;
  let input: FileHandle | undefined;
  let badge: FileHandle | undefined;
  try {
    guard.ready();
    folder = await guard.newFolder();
    if (spec.stdin !== undefined) input = await inputFile(join(folder, "stdin"), spec.stdin);
    if (hasProcessTable) badge = await inputFile(join(folder, "badge"), "");
  } catch (error) {
    return notRun(`The command's private folder cannot be made: ${(error as Error).message}`);
  }
  try {
    return await start(spec, io, folder, input?.fd, badge?.fd);
  } finally {
    await badge?.close();
    await input?.close();
    // What is left in it is of no use to anybody; a file that cannot be removed is no reason to fail the step.
    await rm(folder, { recursive: true, force: true, maxRetries: 2 }).catch(() => undefined);
  }
}

/**
 * Input comes from a file: there is no end to break when the command does not read it, and no socket, from which bash would
 * conclude that it was called over the network and read its user's .bashrc.
 */
async function inputFile(path: string, text: string): Promise<FileHandle> {
  await writeFile(path, text, { mode: 0o600 });
  return open(path, "r");
}

async function start(
  spec: CommandSpec,
  io: CommandIo,
  folder: string,
  input: number | undefined,
  badge: number | undefined,
): Promise<Course> {
  const outputsPath = spec.outputsFile === false ? undefined : join(folder, "outputs.json");
  const { mark, variable } = guard.newMark();
  const artifactsPath = join(folder, "artifacts.jsonl");
  const set = { [MARK]: variable, [OUTPUTS]: outputsPath, [ARTIFACTS]: artifactsPath };
  const { program, args, verbatim } = programOf(spec);
  const pipes = await outputPipes(folder);
  // Folder and pipes took their time, and the abort may have come in it. From here to the listener nothing waits.
  if (io.signal.aborted) {
    if (pipes !== undefined) closePipes(pipes);
    return { ...NOTHING, reason: "cancelled" };
  }
  let child: ChildProcess;
  try {
    child = spawn(program, args, {
      ...(spec.cwd !== undefined && { cwd: spec.cwd }),
      env: commandEnvironment(process.env, spec.env ?? {}, set),
      // A session and a group of its own, so that all of it can be signalled at once.
      detached: process.platform !== "win32",
      stdio: [input ?? "ignore", pipes?.stdout.theirs ?? "pipe", pipes?.stderr.theirs ?? "pipe", ...badgeAt(badge)],
      windowsHide: true,
      windowsVerbatimArguments: verbatim,
    });
  } catch (error) {
    if (pipes !== undefined) closePipes(pipes);
    return notRun(spawnProblem(program, error as NodeJS.ErrnoException));
  }
  if (pipes !== undefined) closeTheirs(pipes);
  const sources = [pipes?.stdout.ours ?? child.stdout, pipes?.stderr.ours ?? child.stderr] as const;
  if (child.pid === undefined) {
    const [error] = (await once(child, "error")) as [NodeJS.ErrnoException];
    for (const source of sources) source?.destroy();
    return notRun(spawnProblem(program, error));
  }
  guard.watch(child.pid);
  const badgePath = badge === undefined ? undefined : badgeOf(badge);
  const stdout = new Output("stdout", sources[0], spec.tailBytes ?? TAIL_BYTES);
  const stderr = new Output("stderr", sources[1], spec.tailBytes ?? TAIL_BYTES);
  const budget = new LogBudget(io.clock);
  stdout.read(io.onLog, budget, io.clock);
  stderr.read(io.onLog, budget, io.clock);
  try {
    const course = await follow(child, new ProcessTree(child.pid, mark, io.clock, badgePath), child.pid, spec, io, [
      stdout,
      stderr,
    ]);
    return {
      ...course,
      ...(outputsPath !== undefined && (await readOutputs(outputsPath))),
      ...(await readArtifacts(artifactsPath, spec.cwd ?? process.cwd())),
    };
  } finally {
    guard.forget(child.pid);
  }
}

async function follow(
  child: ChildProcess,
  tree: ProcessTree,
  pid: number,
  spec: CommandSpec,
  io: CommandIo,
  outputs: readonly [Output, Output],
): Promise<Course> {
  const graceMs = spec.graceMs ?? GRACE_MS;
  const meter = new UsageMeter(pid);
  let reason: "exited" | "timeout" | "cancelled" = "exited";
  let ending: Promise<void> | undefined;
  const stop = (why: "timeout" | "cancelled"): void => {
    if (ending !== undefined) return;
    reason = why;
    meter.look();
    ending = tree.end(graceMs);
  };
  const onAbort = (): void => stop("cancelled");
  const timer =
    spec.timeoutMs === undefined ? undefined : setTimeout(stop, Math.min(spec.timeoutMs, LONGEST_TIMER_MS), "timeout");
  io.signal.addEventListener("abort", onAbort, { once: true });

  const exit = await new Promise<{ code: number | null; signal: string | null; usage: Promise<MeasuredUsage> }>(
    (resolve) => {
      // Everything in the event itself: afterwards the process number means nothing.
      child.once("exit", (code, signal) => {
        tree.rootEnded();
        clearTimeout(timer);
        io.signal.removeEventListener("abort", onAbort);
        resolve({ code, signal, usage: meter.ended() });
      });
    },
  );
  const closed = Promise.all(outputs.map((output) => output.closed));
  if (ending === undefined) {
    // Usually all output is here at once. A filter that the shell did not wait for gets a moment; a background process that
    // holds the output open does not hold up the step.
    await settledWithin(closed, DRAIN_MS);
    ending = tree.end(Math.min(graceMs, LEFTOVER_GRACE_MS));
  }
  await ending;
  await settledWithin(closed, DRAIN_MS);
  const [stdout, stderr] = outputs;
  stdout.destroy();
  stderr.destroy();
  return {
    exitCode: exit.code,
    signal: exit.signal,
    reason,
    stdoutTail: stdout.tail.text(),
    stderrTail: stderr.tail.text(),
    stdoutBytes: stdout.tail.bytes,
    stderrBytes: stderr.tail.bytes,
    ...(await exit.usage),
  };
}

/** Numbers in between stay closed. */
function badgeAt(badge: number | undefined): readonly (number | "ignore")[] {
  return badge === undefined ? [] : [...Array<"ignore">(BADGE_FD - 3).fill("ignore"), badge];
}

async function settledWithin(promise: Promise<unknown>, limitMs: number): Promise<void> {
  const over = new AbortController();
  await Promise.race([promise, delay(limitMs, undefined, { signal: over.signal }).catch(() => undefined)]);
  over.abort();
}

function notRun(spawnError: string): Course {
  return { ...NOTHING, reason: "spawn_failed", spawnError: spawnError.replaceAll("\0", "\ufffd") };
}
