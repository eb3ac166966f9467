// The `maestro` command as a process of its own, run from source: what it says, its end. Not here: the server it asks.
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { runCli } from "../../src/cli/cli.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
export const NODE = [process.execPath, "--experimental-strip-types", "--disable-warning=ExperimentalWarning"] as const;
/** Saves a third of what a command costs before it does anything; keyed by what the sources hold. */
const COMPILED = fileURLToPath(new URL("../../node_modules/.cache/node-compile/", import.meta.url));
const LINE_MS = 60_000;

export interface Ended {
  /** The exit code; 128 and more when a signal ended it. */
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
}

/** A running process: its lines as they come, and its end. */
export class Running {
  readonly ended: Promise<Ended>;
  out = "";
  err = "";
  readonly #child: ChildProcess;
  readonly #lines: string[] = [];
  readonly #waiting = new Set<() => void>();
  #over = false;

  constructor([program = "", ...args]: readonly string[], { env = {}, cwd, stdin = "" }: CommandOptions = {}) {
    this.#child = spawn(program, args, {
      env: { ...ambient(), NODE_COMPILE_CACHE: COMPILED, ...env },
      stdio: ["pipe", "pipe", "pipe"],
      ...(cwd !== undefined && { cwd }),
    });
    const { stdout, stderr } = this.#child;
    this.#child.stdin?.on("error", () => undefined).end(stdin);
    stdout?.setEncoding("utf8").on("data", (text: string) => (this.out += text));
    stderr?.setEncoding("utf8").on("data", (text: string) => (this.err += text));
    for (const stream of [stdout, stderr])
      if (stream !== null) createInterface({ input: stream }).on("line", (line) => this.#heard(line));
    this.ended = new Promise((resolve) => {
      this.#child.once("error", (error) => (this.err += error.message));
      this.#child.once("close", (code, signal) => {
        this.#over = true;
        this.#stir();
        resolve({ code: code ?? (signal === null ? -1 : 128), out: this.out, err: this.err });
      });
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The line of either stream that matches, counted from 1; rejects when the process ends without one. */
  async line(pattern: RegExp, nth = 1): Promise<RegExpExecArray> {
    const late = AbortSignal.timeout(LINE_MS);
    for (let at = 0, found = 0; ;) {
      for (; at < this.#lines.length; at++) {
        const match = pattern.exec(this.#lines[at] ?? "");
        if (match !== null && ++found === nth) return match;
      }
      if (this.#over || late.aborted)
        throw new Error(`${this.#over ? "it ended" : "time is up"} before ${String(pattern)}:\n${this.out}${this.err}`);
      await new Promise<void>((resolve) => {
        const go = (): void => {
          this.#waiting.delete(go);
          late.removeEventListener("abort", go);
          resolve();
        };
        this.#waiting.add(go);
        late.addEventListener("abort", go);
      });
    }
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.#over) this.#child.kill(signal);
  }

  #heard(line: string): void {
    this.#lines.push(line);
    this.#stir();
  }

  #stir(): void {
    for (const go of this.#waiting) go();
  }
}

export function maestro(args: readonly string[], options?: CommandOptions): Running {
  return new Running([...NODE, MAIN, ...args], options);
}

/** The command in this process: quicker, and without signals, standard input and a terminal. */
export async function here(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const said = { out: "", err: "" };
  const code = await runCli(args, {
    out: (text) => void (said.out += text),
    err: (text) => void (said.err += text),
    terminal: false,
    columns: 200,
    env: { ...env },
    signal: new AbortController().signal,
  });
  return { code, ...said };
}

/** What this process was told is not for the command: it sees only what its test gives. */
function ambient(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith("MAESTRO_") && !["DATABASE_URL", "NODE_OPTIONS", "NODE_ENV"].includes(name),
    ),
  );
}
