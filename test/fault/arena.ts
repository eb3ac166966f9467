// What fault tests are fought in: a Postgres of our own behind a proxy with a fixed address, a server process on fixed ports, load
// processes that write down what they see. Each can be killed and started again without the others. Not here: expectations.
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import postgres from "postgres";
import { startEmbedded } from "../../src/store/postgres/engines/embedded.ts";
import type { EngineHandle } from "../../src/store/postgres/engines/embedded.ts";
import { seeingAll } from "../support/audit.ts";
import { Cable } from "../support/cable.ts";
import { startLoad } from "../support/load/remote.ts";
import type { LoadProcess } from "../support/load/remote.ts";
import { makeKey, startServer } from "../support/server-process.ts";
import type { ServerOptions, ServerProcess } from "../support/server-process.ts";
import type { Judgement } from "./checker.ts";
import { CommitGate } from "./commit-gate.ts";
import type { HeldCommit } from "./commit-gate.ts";

/** Waits until a condition holds; its own limit turns a hang into a reason. */
export async function until(what: string, limitMs: number, holds: () => Promise<boolean> | boolean): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`${what} did not come within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A COMMIT that the gate holds, with the transaction that it is to end. */
export interface OpenCommit extends HeldCommit {
  readonly xid: string;
  readonly backend: number;
}

export class Arena {
  readonly folder: string;
  readonly journals: string;
  server!: ServerProcess;
  key = "";
  readonly #gate = new CommitGate();
  #door!: Cable;
  readonly #loads = new Set<LoadProcess>();
  readonly #others: ServerProcess[] = [];
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
    try {
      await arena.startPostgres();
      arena.#door = await Cable.to(arena.#engine.port, arena.#gate.splice);
      await arena.startServer();
      arena.key = await makeKey(arena.server.target, "fault");
      return arena;
    } catch (error) {
      await arena.close();
      throw error;
    }
  }

  /** For the store's own login, past the door. */
  get url(): string {
    return this.#engine.url;
  }

  async startPostgres(): Promise<void> {
    this.#engine = await startEmbedded({ dataDir: join(this.folder, "data"), log: () => undefined });
    if (this.#door !== undefined) this.#door.targetPort = this.#engine.port;
    this.#admin = postgres(this.#engine.adminUrl, { max: 1, onnotice: () => undefined });
  }

  /** SIGKILL to the postmaster; waits until all of it is gone. */
  async killPostgres(): Promise<void> {
    process.kill(
      Number.parseInt(readFileSync(join(this.folder, "data", "cluster", "postmaster.pid"), "utf8"), 10),
      "SIGKILL",
    );
    await this.#admin.end({ timeout: 1 });
    await this.#engine.exited;
  }

  shutDoor(): void {
    this.#door.remove();
  }

  async openDoor(): Promise<void> {
    await this.#door.lay();
  }

  /** The server, on the ports that it had before. */
  async startServer(options: Omit<ServerOptions, "databaseUrl"> = {}): Promise<void> {
    const ports = this.server === undefined ? {} : { ports: this.server.ports };
    this.server = await this.#serve({ ...ports, ...options });
  }

  /** Another one on the same database, beside it. */
  async startAnother(options: Omit<ServerOptions, "databaseUrl"> = {}): Promise<ServerProcess> {
    const server = await this.#serve(options);
    this.#others.push(server);
    return server;
  }

  async #serve(options: Omit<ServerOptions, "databaseUrl">): Promise<ServerProcess> {
    const url = new URL(this.#engine.url);
    url.port = String(this.#door.port);
    return await startServer({ databaseUrl: url.href, logFile: join(this.folder, "server.log"), ...options });
  }

  async startLoad(name: string, { target }: Pick<ServerProcess, "target"> = this.server): Promise<LoadProcess> {
    const load = startLoad();
    this.#loads.add(load);
    await load.ask("connect", {
      target,
      keys: [this.key],
      journal: this.journalOf(name),
    });
    return load;
  }

  journalOf(name: string): string {
    return join(this.journals, `${name}.ndjson`);
  }

  async killLoad(load: LoadProcess): Promise<void> {
    this.#loads.delete(load);
    await load.kill();
  }

  /** Holds the next COMMIT of a batch that takes outcomes; all that it commits is written and waits. */
  async openCommit(limitMs: number): Promise<OpenCommit> {
    for (;;) {
      const held = await this.#gate.next(limitMs);
      const row = await this.#written(held.port);
      if (row === undefined) {
        held.release();
        continue;
      }
      await this.#flushLog();
      return { ...held, xid: row.xid, backend: row.pid };
    }
  }

  /** The transaction of a connection, once its statements are through; undefined when one of them failed. */
  async #written(port: number): Promise<{ readonly pid: number; readonly xid: string } | undefined> {
    let found: { readonly pid: number; readonly xid: string } | undefined;
    await until("the end of the statements before a COMMIT", 5_000, async () => {
      const [row] = await this.#admin<{ pid: number; state: string; xid: string | null }[]>`
        SELECT pid, state, backend_xid::text AS xid FROM pg_stat_activity WHERE client_port = ${port}`;
      if (row?.state === "idle in transaction" && row.xid !== null) found = { pid: row.pid, xid: row.xid };
      return found !== undefined || row === undefined || row.state === "idle in transaction (aborted)";
    });
    return found;
  }

  /** Else the number of a transaction that a crash undid could be given to another one after it. */
  async #flushLog(): Promise<void> {
    await this.#admin`SELECT pg_logical_emit_message(true, 'fault', '')`;
  }

  /** What became of a transaction, once something has. */
  async fateOf(xid: string): Promise<string> {
    let fate = "";
    await until(`the end of transaction ${xid}`, 10_000, async () => {
      const [row] = await this.#admin<{ fate: string }[]>`SELECT pg_xact_status(${xid}::xid8) AS fate`;
      fate = row?.fate ?? "";
      return fate !== "in progress";
    });
    return fate;
  }

  /** How many attempts a transaction that was committed has settled. */
  async settledBy(xid: string): Promise<number> {
    const [row] = await this.#admin<{ n: number }[]>`
      SELECT count(*)::int AS n FROM maestro.attempts WHERE xmin = ${xid}::xid AND state = 'SUCCEEDED'`;
    return row?.n ?? 0;
  }

  /**
   * Makes Postgres wait within every commit, after it is in the log and before anybody is told: for a standby that there is not.
   * Until Postgres is started again.
   */
  async stopWithinCommits(): Promise<void> {
    await this.#admin`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`;
    await this.#admin`SELECT pg_reload_conf()`;
    const probe = postgres(this.#engine.adminUrl, { max: 1, connection: { application_name: "probe" } });
    // The postmaster passes the setting on in its own time: until then a commit is through at once.
    let stopped = false;
    const commits = (async () => {
      while (!stopped) await probe`SELECT pg_logical_emit_message(true, 'fault', '')`;
    })().catch(() => undefined);
    await until("a wait within commits", 10_000, async () => (await this.#waiting("application_name = 'probe'")) > 0);
    // Not before: the postmaster reads what stands there when it gets round to it. The next one is to start without.
    await this.#admin`ALTER SYSTEM RESET synchronous_standby_names`;
    stopped = true;
    void commits.then(() => probe.end({ timeout: 0 }));
  }

  /** Resolves when that backend waits within its commit. */
  async withinCommit(backend: number): Promise<void> {
    await until("a backend within its commit", 10_000, async () => (await this.#waiting(`pid = ${backend}`)) > 0);
  }

  async #waiting(who: string): Promise<number> {
    const [row] = await this.#admin.unsafe<{ n: number }[]>(
      `SELECT count(*)::int AS n FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND ${who}`,
    );
    return row?.n ?? 0;
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

  /** Ends everything. What is kept for whoever looks into a failure is what clients and server wrote down. */
  async close({ keep = false } = {}): Promise<void> {
    for (const load of this.#loads) await load.kill();
    for (const server of [...this.#others, this.server]) await server?.kill();
    this.#door?.remove();
    await this.#admin?.end({ timeout: 1 });
    await this.#engine?.stop();
    const gone = keep ? join(this.folder, "data") : this.folder;
    rmSync(gone, { recursive: true, force: true, maxRetries: 5 });
  }
}
