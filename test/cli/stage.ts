// What tests of the command line play on: a server with a database of its own, a folder, plan files, steps that are held
// until the test lets go. Not here: the commands themselves, see command.ts.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, inject } from "vitest";
import { connectTo } from "../../src/cli/client.ts";
import type { ServerClient } from "../../src/cli/client.ts";
import { makeDatabase } from "../support/database.ts";
import type { TestDatabase } from "../support/database.ts";
import { startServer } from "../transport/server.ts";
import type { TestServer } from "../transport/server.ts";
import { here, maestro } from "./command.ts";
import type { CommandOptions, Ended, Running } from "./command.ts";

export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), "maestro cli-"));
  readonly database: TestDatabase;
  readonly server: TestServer;
  readonly client: ServerClient;
  readonly #running: Running[] = [];

  private constructor(database: TestDatabase, server: TestServer) {
    this.database = database;
    this.server = server;
    this.client = connectTo(server.wideUrl, undefined);
  }

  static async open(): Promise<Stage> {
    const [server] = inject("servers");
    if (server === undefined) throw new Error("there is no database server");
    const database = await makeDatabase(server);
    return new Stage(database, await startServer({ databaseUrl: database.url }));
  }

  async close(): Promise<void> {
    for (const running of this.#running) running.signal("SIGKILL");
    await Promise.all(this.#running.map(({ ended }) => ended));
    this.client.close();
    await this.server.end();
    await this.database.drop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The command against this server, running. */
  start(args: readonly string[], options: CommandOptions = {}): Running {
    const running = maestro(args, {
      cwd: this.folder,
      ...options,
      env: { MAESTRO_URL: this.server.wideUrl, ...options.env },
    });
    this.#running.push(running);
    return running;
  }

  async run(args: readonly string[], options?: CommandOptions): Promise<Ended> {
    return await this.start(args, options).ended;
  }

  /** The same in this process, which is quicker: for what is not about processes. */
  async here(...args: readonly string[]): Promise<Ended> {
    return here(args, { MAESTRO_URL: this.server.wideUrl });
  }

  /** A shell executor of this server, attached. */
  async executor(name: string, ...flags: readonly string[]): Promise<Running> {
    const executor = this.start(["executor", "run", "--name", name, "--slots", "4", ...flags]);
    await executor.line(/^attached as exec_/);
    return executor;
  }

  /** Writes a plan file and says where it is. */
  file(name: string, steps: string): string {
    const path = join(this.folder, `${name}.yaml`);
    writeFileSync(path, `charter: { name: cli }\ngoal: { name: ${name} }\nsteps:\n${steps}`);
    return path;
  }

  /** Applies without waiting for the end, and says the plan's id. */
  async begin(name: string, steps: string): Promise<string> {
    const { out, err, code } = await this.run(["apply", this.file(name, steps), "--detach"]);
    expect(err).toBe("");
    expect(code).toBe(0);
    return planIn(out);
  }

  gate(name: string): Gate {
    return new Gate(join(this.folder, name));
  }
}

/** Holds a command: it reads a line from a pipe that only the test writes. */
export class Gate {
  /** For a command: waits until the gate is opened. */
  readonly wait: string;
  readonly #path: string;

  constructor(path: string) {
    execFileSync("mkfifo", [path]);
    this.#path = path;
    this.wait = `read -r _ < '${path}'`;
  }

  /** Lets one reader through; waits until there is one. */
  async open(): Promise<void> {
    await writeFile(this.#path, "go\n");
  }
}

export function planIn(text: string): string {
  const [id] = /\bplan_[0-9a-z]{26}\b/.exec(text) ?? [];
  if (id === undefined) throw new Error(`no plan in ${text}`);
  return id;
}
