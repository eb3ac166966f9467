// Runs shell commands as people paste them, against a server on a port of its own. Not here: the commands.
import { execFile, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** What the commands are written for. */
const WRITTEN_FOR = /\blocalhost:8001\b/g;

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export class Shell {
  readonly #home = mkdtempSync(join(tmpdir(), "maestro-shell-"));
  readonly #port: number;

  constructor(port: number) {
    this.#port = port;
  }

  /** A script, with these variables; every pipe must succeed. */
  run(script: string, variables: Readonly<Record<string, string>> = {}): Promise<Ran> {
    return this.#start("bash", ["-euo", "pipefail", "-c", this.#here(script)], variables);
  }

  /** As `run`, at a terminal: HTTPie takes anything else at its input for a body. */
  runAtTerminal(script: string, variables: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const spawn = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    return this.#start(
      join(dirname(HTTPIE ?? ""), "python3"),
      ["-c", spawn, "bash", "-euo", "pipefail", "-c", this.#here(script)],
      variables,
    );
  }

  clear(): void {
    rmSync(this.#home, { recursive: true, force: true });
  }

  #here(script: string): string {
    return script.replaceAll(WRITTEN_FOR, `localhost:${this.#port}`);
  }

  #start(program: string, args: readonly string[], variables: Readonly<Record<string, string>>): Promise<Ran> {
    const path = [...(HTTPIE === undefined ? [] : [dirname(HTTPIE)]), process.env["PATH"] ?? ""].join(":");
    const env = {
      PATH: path,
      HOME: this.#home,
      HTTPIE_CONFIG_DIR: this.#home,
      NO_PROXY: "*",
      TERM: "dumb",
      ...variables,
    };
    return new Promise((resolve) => {
      execFile(program, args, { env, cwd: this.#home }, (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
        resolve({ stdout: withoutColours(stdout), stderr, code });
      });
    });
  }
}

/** HTTPie: of the Python that tests are told of, or on the path. */
export const HTTPIE = findHttpie();

function findHttpie(): string | undefined {
  const python = process.env["MAESTRO_TEST_PYTHON"];
  const folders = [...(python === undefined ? [] : [dirname(python)]), ...(process.env["PATH"] ?? "").split(":")];
  return folders.map((folder) => join(folder, "http")).find((path) => existsSync(path));
}

/** Those of these programs that are not here. */
export function missing(...programs: readonly string[]): readonly string[] {
  return programs.filter((program) => spawnSync("bash", ["-c", `command -v ${program}`]).status !== 0);
}

function withoutColours(text: string): string {
  return text.replaceAll(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, "g"), "").replaceAll(/\r+\n/g, "\n");
}
