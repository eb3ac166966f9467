// A process of the maestro command, run from source: its lines, its end. Not here: what it is for.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const KILL_MS = 15_000;
const KEPT_LINES = 30;

export class Child {
  /** Its exit code; 1 when a signal ended it. */
  readonly exited: Promise<number>;
  readonly lastLines: string[] = [];
  readonly #process: ChildProcess;
  readonly #listeners = new Set<(line: string) => void>();

  constructor(root: string, args: readonly string[], output: "lines" | "inherit" = "lines") {
    const node = ["--experimental-strip-types", "--disable-warning=ExperimentalWarning", join(root, "src", "main.ts")];
    const stdio = output === "inherit" ? "inherit" : "pipe";
    this.#process = spawn(process.execPath, [...node, ...args], { cwd: root, stdio: ["ignore", stdio, stdio] });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#heard(line));
    }
    this.exited = new Promise((resolve) => {
      this.#process.once("exit", (code) => resolve(code ?? 1));
      this.#process.once("error", () => resolve(1));
    });
  }

  onLine(listener: (line: string) => void): void {
    this.#listeners.add(listener);
  }

  /** The first line that matches; rejects when the process ends or the time is up before. */
  line(pattern: RegExp, limitMs: number): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(
        () => reject(new Error(`nothing like ${String(pattern)} after ${limitMs / 1000} s`)),
        limitMs,
      );
      this.onLine((line) => {
        const match = pattern.exec(line);
        if (match === null) return;
        clearTimeout(late);
        resolve(match);
      });
      void this.exited.then((code) => {
        clearTimeout(late);
        reject(new Error(`the process ended with exit code ${code} before it said ${String(pattern)}`));
      });
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Waits for its end, and helps when it takes too long. */
  async gone(): Promise<void> {
    const hurry = setTimeout(() => this.#process.kill("SIGKILL"), KILL_MS);
    await this.exited;
    clearTimeout(hurry);
  }

  #heard(line: string): void {
    this.lastLines.push(line);
    if (this.lastLines.length > KEPT_LINES) this.lastLines.shift();
    for (const listener of this.#listeners) listener(line);
  }
}
