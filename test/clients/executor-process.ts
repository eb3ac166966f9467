// An executor of another language as a process: what it says line by line, and how it is ended.
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** How long a line may be waited for, on a loaded machine too. */
const PATIENCE_MS = 25_000;

export class ExecutorProcess {
  /** Every line so far, such as `began STEP FENCING`. */
  readonly said: string[] = [];
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #checks = new Set<() => void>();
  #errors = "";
  #over = false;

  constructor([program = "", ...args]: readonly string[], env: NodeJS.ProcessEnv) {
    const inherited = Object.entries(process.env).filter(([name]) => !/^MAESTRO_|_proxy$/i.test(name));
    this.#child = spawn(program, args, {
      env: { ...Object.fromEntries(inherited), ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.said.push(line);
      this.#look();
    });
    this.#child.stderr.on("data", (bytes: Buffer) => (this.#errors += bytes.toString()));
    this.#child.stdin.on("error", () => undefined);
    this.exited = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code) => {
        this.#over = true;
        this.#look();
        resolve(code);
      });
    });
    this.exited.catch(() => undefined);
  }

  /** Resolves with the lines that match once there are `count` of them after line `after`. */
  async says(line: RegExp, { count = 1, after = 0 } = {}): Promise<readonly string[]> {
    return await new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#checks.delete(check);
      };
      const check = (): void => {
        const found = this.said.slice(after).filter((each) => line.test(each));
        if (found.length >= count) {
          settle();
          resolve(found);
        } else if (this.#over) fail("it ended");
      };
      const fail = (why: string): void => {
        settle();
        const words = `${this.said.join("\n")}\n${this.#errors}`;
        reject(new Error(`the executor did not say ${line.source} ${count} times: ${why}. It said:\n${words}`));
      };
      const timer = setTimeout(() => fail("too long"), PATIENCE_MS);
      this.#checks.add(check);
      check();
    });
  }

  setSlots(slots: number): void {
    this.#child.stdin.write(`${slots}\n`);
  }

  /** SIGTERM: asks it to drain. */
  terminate(): void {
    this.#child.kill("SIGTERM");
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  #look(): void {
    for (const check of this.#checks) check();
  }
}
