// Maestro's side of the watchdog: starts it, gives it its order, follows what it reports. Not here: the watchdog itself (watchdog.ts).
import { execFile, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { send } from "./embedded-process.ts";

/** What the watchdog is to run. One line of JSON. */
export interface WatchdogOrder {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  readonly logFile: string;
  readonly clusterName: string;
}

/** What the watchdog reports. One line of JSON each. */
export type WatchdogEvent =
  | { readonly type: "spawned"; readonly pid: number }
  | { readonly type: "unlaunched"; readonly code: string; readonly text: string }
  | { readonly type: "line"; readonly text: string }
  | { readonly type: "ready" }
  | { readonly type: "exit"; readonly code: number | null; readonly signal: string | null };

/** How the watched server came to its end. `cause` is who ended first. */
export interface EngineExit {
  readonly cause: "postgres" | "watchdog";
  readonly code: number | null;
  readonly signal: string | null;
  /** The last lines Postgres said. */
  readonly lines: readonly string[];
}

/**
 * The command that ties a program's life to the watchdog's, where the system has one (Linux with util-linux), else nothing. With it
 * Postgres also ends when the watchdog is killed together with Maestro; without it the next start ends it.
 */
export async function lifeTie(): Promise<readonly string[]> {
  const tie = ["setpriv", "--pdeathsig", "INT", "--"] as const;
  if (process.platform !== "linux") return [];
  return promisify(execFile)(tie[0], [...tie.slice(1), "true"]).then(
    () => tie,
    () => [],
  );
}

const keptLines = 40;

/** One watchdog and the server it runs. Ends once; never restarts. */
export class Watchdog {
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  #exit: Extract<WatchdogEvent, { type: "exit" }> | undefined;
  #unlaunched: Extract<WatchdogEvent, { type: "unlaunched" }> | undefined;
  #serverPid: number | undefined;
  #onEvent: (event: WatchdogEvent) => void = () => undefined;
  /** Settles when the watchdog is gone, and with it, normally, the server. */
  readonly ended: Promise<EngineExit>;

  constructor(cwd: string) {
    const script = fileURLToPath(
      new URL(import.meta.url.endsWith(".ts") ? "./watchdog.ts" : "./watchdog.js", import.meta.url),
    );
    const flags = script.endsWith(".ts") ? ["--experimental-strip-types", "--disable-warning=ExperimentalWarning"] : [];
    // A session of its own: a signal to the terminal's process group must not reach Postgres before Maestro has drained.
    // Maestro's environment stays out, so that no debugger or preload option is obeyed twice.
    const env = process.env["PATH"] === undefined ? {} : { PATH: process.env["PATH"] };
    this.#child = spawn(process.execPath, [...flags, script], {
      cwd,
      env,
      detached: true,
      stdio: "pipe",
      windowsHide: true,
    });
    this.#child.stdin?.on("error", () => undefined);
    if (this.#child.stdout !== null)
      createInterface({ input: this.#child.stdout }).on("line", (line) => this.#take(line));
    if (this.#child.stderr !== null)
      createInterface({ input: this.#child.stderr }).on("line", (line) => this.#keep(`watchdog: ${line}`));
    this.ended = new Promise((resolve) => {
      const settle = (code: number | null, signal: string | null): void => {
        const { code: ownCode, signal: ownSignal } = this.#exit ?? { code, signal };
        resolve({
          cause: this.#exit === undefined ? "watchdog" : "postgres",
          code: ownCode,
          signal: ownSignal,
          lines: this.lines,
        });
      };
      this.#child.on("close", settle);
      this.#child.on("error", (error) => {
        this.#keep(`watchdog: ${error.message}`);
        settle(null, null);
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get lines(): readonly string[] {
    return [...this.#lines];
  }

  /** Set when the program could not be started at all. */
  get unlaunched(): { readonly code: string; readonly text: string } | undefined {
    return this.#unlaunched;
  }

  /** Gives the order and hands every later report to `onEvent`. */
  start(order: WatchdogOrder, onEvent: (event: WatchdogEvent) => void): void {
    this.#onEvent = onEvent;
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  /** Lets go: the watchdog stops the server (fast shutdown) and ends. The same happens by itself when Maestro dies. */
  release(): void {
    this.#child.stdin?.end();
  }

  /** Lets go without waiting for the checkpoint: nothing is lost, the next start replays the log. */
  releaseNow(): void {
    this.#child.stdin?.end();
    if (this.#serverPid !== undefined && this.#exit === undefined) send(this.#serverPid, "SIGQUIT");
  }

  #take(line: string): void {
    const event = JSON.parse(line) as WatchdogEvent;
    if (event.type === "line") this.#keep(event.text);
    if (event.type === "spawned") this.#serverPid = event.pid;
    if (event.type === "exit") this.#exit = event;
    if (event.type === "unlaunched") this.#unlaunched = event;
    this.#onEvent(event);
  }

  #keep(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > keptLines) this.#lines.shift();
  }
}
