// A test server: the whole of Maestro in this process, on an embedded database of its own, with a clock that can be moved.
// Not here: what a plan on it can be asked, see plan.ts.
import { tmpdir } from "node:os";
import { pino } from "pino";
import { startApp } from "../app.ts";
import type { App } from "../app.ts";
import { connectTo } from "../cli/client.ts";
import type { ServerClient } from "../cli/client.ts";
import { checkPlanFile } from "../cli/plan-file/check.ts";
import { describeMistakes } from "../cli/plan-file/mistakes.ts";
import type { Requests } from "../cli/plan-file/requests.ts";
import { refine } from "../cli/refine.ts";
import { readConfig } from "../config.ts";
import type { Config } from "../config.ts";
import { Executor } from "../executor/executor.ts";
import type { ExecutorOptions, Handler } from "../executor/executor.ts";
import { shellExecutor } from "../executor/shell-executor.ts";
import { MovableClock } from "./clock.ts";
import { startDatabase } from "./database.ts";
import type { TestDatabase } from "./database.ts";
import type { PlanFixture } from "./plan-fixture.ts";
import { TestPlan } from "./plan.ts";
import { spanMs } from "./span.ts";
import type { Span } from "./span.ts";

export interface TestServerOptions {
  /**
   * Registers the server's end with the test runner, which must take hooks at that moment: `(end) => t.after(end)` in a test of
   * node:test, `onTestFinished` in one of Vitest; at the top of a module, with `await`, `afterAll` or `after`. Within `beforeAll` no
   * runner takes another hook: call `close()` in `afterAll`, or declare the server with `await using`.
   */
  readonly endWith?: (end: () => Promise<void>) => unknown;
  /** What the server logs to stderr, such as `info`; nothing unless given. */
  readonly logLevel?: string;
}

/** Starts one, empty. Takes about a second, most of which Postgres needs: one for a file of tests is usual. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const clock = new MovableClock();
  const database = await startDatabase();
  let server: TestServer;
  try {
    const log = pino({ level: options.logLevel ?? "silent" }, pino.destination({ dest: 2, sync: true }));
    server = new TestServer(await startApp(configOf(database.url), { log, clock }), database, clock);
  } catch (error) {
    await database.close();
    throw error;
  }
  try {
    options.endWith?.(() => server.close());
  } catch (error) {
    // Runners do not take hooks at any time; a server that nobody ends would keep the process alive.
    await server.close();
    throw error;
  }
  return server;
}

/** An executor of a test server: handlers by capability, and what else an executor is made from. */
export interface TestExecutorOptions extends Partial<Omit<ExecutorOptions, "url" | "clock">> {
  /** Handlers that undo steps, by capability. */
  readonly compensate?: Readonly<Record<string, Handler>>;
}

export class TestServer implements AsyncDisposable {
  /** Connect, gRPC-Web and gRPC, such as `http://127.0.0.1:40123`; `MAESTRO_URL` for the command line. */
  readonly url: string;
  /** Native gRPC, for executors. */
  readonly grpcUrl: string;
  /** All services of the contract. */
  readonly client: ServerClient;
  readonly #app: App;
  readonly #database: TestDatabase;
  readonly #clock: MovableClock;
  readonly #executors: Executor[] = [];
  readonly #down = new AbortController();
  #skipping: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(app: App, database: TestDatabase, clock: MovableClock) {
    this.#app = app;
    this.#database = database;
    this.#clock = clock;
    this.url = app.wideUrl;
    this.grpcUrl = app.grpcUrl;
    this.client = connectTo(app.wideUrl, undefined);
  }

  /** The server's time, milliseconds since the epoch. It goes on by itself, and jumps when it is told to. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  /**
   * Moves the time of server, database and this server's executors ahead, at once. What has come due by then happens: retries after
   * their back-off, deadlines of attempts and plans, leases that nobody renewed, keys that expired. Streams stay as they are.
   */
  async skip(span: Span): Promise<void> {
    const ms = spanMs(span);
    const skipped = this.#skipping.then(async () => {
      const aheadMs = this.#clock.aheadMs + ms;
      // The database first: whoever is woken looks there for what is due.
      await this.#database.setAhead(aheadMs);
      this.#clock.moveTo(aheadMs);
    });
    this.#skipping = skipped.catch(() => undefined);
    await skipped;
  }

  /** An executor with these handlers, attached; it ends with the server. */
  async executor(
    handlers: Readonly<Record<string, Handler>>,
    { compensate = {}, ...options }: TestExecutorOptions = {},
  ): Promise<Executor> {
    const executor = new Executor({ name: this.#nextName(), slots: 8, drainOn: [], ...options, ...this.#place() });
    for (const [capability, handler] of Object.entries(handlers)) executor.on(capability, handler);
    for (const [capability, handler] of Object.entries(compensate)) executor.onCompensate(capability, handler);
    return await this.#started(executor);
  }

  /** An executor that runs commands on this machine, for steps of capability `shell`. */
  async shell(options: Partial<Omit<ExecutorOptions, "url" | "clock">> = {}): Promise<Executor> {
    const named = { name: this.#nextName(), slots: 8, drainOn: [], ...options };
    return await this.#started(shellExecutor({ ...named, ...this.#place(), orgs: "own" }));
  }

  /** Commits a plan: one that was built, or the text of a plan file. Rejects with every mistake in it. */
  async commit(plan: PlanFixture | string, { acceptLate = false } = {}): Promise<TestPlan> {
    const requests = requestsOf(plan);
    const { client } = this;
    if (requests.terms !== undefined) {
      const { charterName: name, terms } = requests;
      await client.maestro.declareCharter({ name, terms, idempotencyKey: client.newKey() });
    }
    const { goalId, planId, version } = await refine(client, undefined, requests);
    await client.maestro.commitGraph({
      goalId,
      version,
      expectedActiveVersion: 0,
      acceptLate,
      idempotencyKey: client.newKey(),
    });
    return this.plan(planId, goalId);
  }

  /** A plan that was committed by other means, such as the command line. */
  plan(id: string, goalId = id.replace(/^plan_/, "goal_")): TestPlan {
    const time = {
      nowMs: () => this.nowMs(),
      skip: (ms: number) => this.skip(ms),
      nextDueMs: (uuid: string) => this.#database.nextDueMs(uuid),
    };
    return new TestPlan({ id, goalId }, this.client, time, this.#down.signal);
  }

  /** Ends executors, server and database, and removes the folder. May be called more than once. */
  async close(): Promise<void> {
    await (this.#closed ??= this.#close());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#down.abort();
    await this.#skipping;
    for (const executor of this.#executors) executor.close();
    this.client.close();
    try {
      await this.#app.close();
    } finally {
      await this.#database.close();
    }
  }

  async #started(executor: Executor): Promise<Executor> {
    this.#executors.push(executor);
    await executor.start();
    return executor;
  }

  #nextName(): string {
    return `test-${this.#executors.length + 1}`;
  }

  #place(): Pick<ExecutorOptions, "url" | "clock"> {
    return { url: this.grpcUrl, clock: this.#clock };
  }
}

function requestsOf(plan: PlanFixture | string): Requests {
  const checked = checkPlanFile(typeof plan === "string" ? plan : JSON.stringify(plan, null, 1));
  if (!checked.ok) throw new Error(`this plan is wrong:\n${describeMistakes("plan", checked.mistakes)}`);
  return checked.requests;
}

/** On this machine only, without credentials, on free ports; nothing of it comes from the environment. */
function configOf(databaseUrl: string): Config {
  const flags = { host: "127.0.0.1", port: "0", grpcPort: "0", poolSize: "4", dataDir: tmpdir(), databaseUrl };
  const read = readConfig({ flags, environment: {} });
  if (!read.ok) throw new Error(read.mistakes.join("\n"));
  return read.config;
}
