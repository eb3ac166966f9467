// What fault tests are fought in: a Postgres of our own behind a proxy with a fixed address, a server process on fixed ports, load
// processes that write down what they see. Each can be killed and started again without the others. Not here: expectations.
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import type { EngineHandle } from "../../src/store/postgres/engines/embedded.ts";
import { seeingAll } from "../support/audit.ts";
import { startLoad } from "../support/load/remote.ts";
import type { LoadProcess } from "../support/load/remote.ts";
import { makeKey, startServer } from "../support/server-process.ts";
import type { ServerProcess } from "../support/server-process.ts";
import type { Judgement } from "./checker.ts";

/** Waits until a condition holds; its own limit turns a hang into a reason. */
export async function until(what: string, limitMs: number, holds: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`${what} did not come within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A door in front of Postgres that can be shut: then connections break and new ones are refused. */
class Door {
  port = 0;
  targetPort = 0;
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();

  async open(): Promise<void> {
    const server = createServer((inner) => {
      const outer = connect(this.targetPort, "127.0.0.1");
      for (const [a, b] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        this.#sockets.add(a);
        a.setNoDelay(true);
        a.pipe(b);
        a.on("error", () => b.destroy());
        a.on("close", () => {
          this.#sockets.delete(a);
          b.destroy();
        });
      }
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.port, "127.0.0.1", resolve));
    const address = server.address();
    if (typeof address === "object" && address !== null) this.port = address.port;
  }

  shut(): void {
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

export class Arena {
  readonly folder: string;
  readonly journals: string;
  server!: ServerProcess;
  key = "";
  readonly #door = new Door();
  readonly #loads = new Set<LoadProcess>();
  #engine!: EngineHandle;
  #admin!: postgres.Sql;

  private constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "maestro-fault-"));
    // As root Postgres runs as another account, which must be able to pass.
    chmodSync(this.folder, 0o755);
    this.journals = join(this.folder, "journals");
    mkdirSync(this.journals);
  }

  static async open(): Promise<Arena> {
    const arena = new Arena();
    await arena.startPostgres();
    await arena.#door.open();
    await arena.startServer();
    arena.key = await makeKey(arena.server.target, "fault");
    return arena;
  }

  /** For the store's own login, past the door. */
  get url(): string {
    return this.#engine.url;
  }

  async startPostgres(): Promise<void> {
    this.#engine = await startEmbedded({ dataDir: join(this.folder, "data"), log: () => undefined });
    this.#door.targetPort = Number(new URL(this.#engine.url).port);
    this.#admin = postgres(this.#engine.adminUrl, { max: 1, onnotice: () => undefined });
  }

  /** SIGKILL to the postmaster, and to the backend that is held inside its commit; waits until all of it is gone. */
  async killPostgres(heldPid: number | undefined): Promise<void> {
    process.kill(
      Number.parseInt(readFileSync(join(this.folder, "data", "cluster", "postmaster.pid"), "utf8"), 10),
      "SIGKILL",
    );
    if (heldPid !== undefined) process.kill(heldPid, "SIGKILL");
    await this.#admin.end({ timeout: 1 });
    await this.#engine.exited;
  }

  shutDoor(): void {
    this.#door.shut();
  }

  async openDoor(): Promise<void> {
    await this.#door.open();
  }

  async startServer(): Promise<void> {
    const url = new URL(this.#engine.url);
    url.port = String(this.#door.port);
    this.server = await startServer({
      databaseUrl: url.href,
      logFile: join(this.folder, "server.log"),
      ...(this.server === undefined ? {} : { ports: this.server.ports }),
    });
  }

  async startLoad(name: string): Promise<LoadProcess> {
    const load = startLoad();
    this.#loads.add(load);
    await load.ask("connect", {
      target: this.server.target,
      keys: [this.key],
      journal: join(this.journals, `${name}.ndjson`),
    });
    return load;
  }

  async killLoad(load: LoadProcess): Promise<void> {
    this.#loads.delete(load);
    await load.kill();
  }

  /** Stops a backend of the server in the midst of a commit, if one is met; its process id. It goes on with `resume`, or is killed. */
  async holdCommit(): Promise<number | undefined> {
    for (let i = 0; i < 300; i++) {
      const [row] = await this.#committing();
      if (row === undefined) continue;
      process.kill(row.pid, "SIGSTOP");
      const [same] = (await this.#committing()).filter(({ pid }) => pid === row.pid);
      if (same?.begun === row.begun) return row.pid;
      resume(row.pid);
    }
    return undefined;
  }

  async #committing(): Promise<readonly { readonly pid: number; readonly begun: string }[]> {
    return await this.#admin<{ pid: number; begun: string }[]>`
      SELECT pid, xact_start::text AS begun FROM pg_stat_activity
      WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active' AND xact_start IS NOT NULL AND query ~* '^commit'`;
  }

  /** Plans by state, in the store. */
  async plans(): Promise<ReadonlyMap<string, number>> {
    return await seeingAll(this.url, async (tx) => {
      const rows = await tx<{ state: string; n: string }[]>`SELECT state, count(*) AS n FROM maestro.plans GROUP BY 1`;
      return new Map(rows.map((row) => [row.state, Number(row.n)]));
    });
  }

  async allCompleted(limitMs: number): Promise<void> {
    await until("the completion of all plans", limitMs, async () => {
      const states = await this.plans();
      return states.size === 1 && states.has("COMPLETED");
    });
  }

  /** Runs the checker program. */
  async judge(): Promise<Judgement> {
    const checker = fileURLToPath(new URL("./checker.ts", import.meta.url));
    const child = spawn(
      process.execPath,
      ["--experimental-strip-types", "--disable-warning=ExperimentalWarning", checker, this.url, this.journals],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    let text = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    await new Promise((resolve) => child.once("close", resolve));
    return JSON.parse(text) as Judgement;
  }

  serverLog(): string {
    return readFileSync(join(this.folder, "server.log"), "utf8");
  }

  async close(): Promise<void> {
    for (const load of this.#loads) await load.kill();
    await this.server.kill();
    this.#door.shut();
    await this.#admin.end({ timeout: 1 });
    await this.#engine.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function resume(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // It is gone.
  }
}
