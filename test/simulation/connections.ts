// Connections of a simulated server: what it sends waits here for its turn, then runs on a real connection, one statement at a
// time. A lock that somebody holds is not waited for: the statement is tried again later. Not here: which turn is next (world.ts).
import type postgres from "postgres";
import type { Client, ClientOptions, Connection } from "../../src/store/postgres/connection.ts";
import type { Lane } from "../../src/store/postgres/lane.ts";
import { StoreUnavailableError } from "../../src/store/ports/store.ts";
import { Sent } from "./statements.ts";
import type { RealConnections, Statement } from "./statements.ts";
import type { Process, Turn, TurnSource } from "./world.ts";

/** What becomes of a COMMIT, or of the process that sends it. */
export type CommitFate =
  "done" | "dies before BEGIN" | "dies before COMMIT" | "dies after COMMIT" | "unknown, done" | "unknown, not done";

export interface Hooks {
  /** Asked before a transaction begins, and before one that wrote is committed. */
  readonly fateOf: (when: "BEGIN" | "COMMIT", carried: ReadonlySet<string>) => CommitFate;
  readonly kill: (process: Process, why: string) => Promise<void>;
  /** Something of a plan was committed. */
  readonly committed: () => Promise<void>;
  /** For planted faults: COMMIT is answered before it is carried out. */
  readonly commitsLate: () => boolean;
}

const LOST = (): Error => Object.assign(new Error("the connection broke"), { code: "CONNECTION_CLOSED" });
const WRITES = /\b(INSERT INTO|UPDATE maestro|DELETE FROM)\b/i;
/** Whatever changes of a plan raises its revision. */
const WRITES_PLANS = /\b(INSERT INTO|UPDATE) maestro\.plans\b/i;
const LOCKS = /\bFOR (NO KEY )?UPDATE\b/i;
const WAITS_FOR_LOCK = /\bFOR (NO KEY )?UPDATE( OF \w+)?\s*$/i;
const SETTING = "SELECT set_config('maestro.orgs'";

/** Transactions that hold locks now, of all servers, and how often one of them let go. */
export class Locks {
  readonly holders = new Set<SimulatedLane>();
  released = 0;

  letGo(lane: SimulatedLane): void {
    if (this.holders.delete(lane)) this.released += 1;
  }
}

export interface Setting {
  readonly process: Process;
  readonly real: RealConnections;
  readonly locks: Locks;
  readonly hooks: Hooks;
}

/** One connection of a server, as long as it lasts. */
export class SimulatedLane {
  readonly #set: Setting;
  readonly #lockMs: number;
  readonly #queue: Statement[] = [];
  #real: Lane | undefined;
  /** Sent with the first statement: neither of them meets anybody. */
  #prefix: Statement[] = [];
  #began = false;
  #wrote = false;
  #wrotePlans = false;
  #blockedAt: { readonly released: number; readonly untilMs: number } | undefined;
  isBroken = false;

  constructor(setting: Setting, lockMs: number) {
    this.#set = setting;
    this.#lockMs = lockMs;
  }

  get isOpen(): boolean {
    return this.#began || this.#prefix.length > 0;
  }

  send(statement: Statement): void {
    if (this.isBroken) statement.reject(LOST());
    else this.#queue.push(statement);
  }

  turn(): Turn | undefined {
    const [statement] = this.#queue;
    if (statement === undefined) return undefined;
    const blocked = this.#blockedAt;
    if (blocked?.released === this.#set.locks.released && blocked.untilMs > this.#set.process.world.nowMs)
      return undefined;
    return { run: () => this.#run(statement) };
  }

  nextMs(): number | null {
    return this.#queue.length === 0 ? null : (this.#blockedAt?.untilMs ?? this.#set.process.world.nowMs);
  }

  /** The other end is gone: whatever was sent is lost, and the database rolls back. */
  async break(): Promise<void> {
    this.isBroken = true;
    await this.#rollBack();
    for (const statement of this.#queue.splice(0)) statement.reject(LOST());
  }

  /** The process that sends is gone: nobody hears an answer. */
  async abandon(): Promise<void> {
    this.isBroken = true;
    this.#queue.length = 0;
    await this.#rollBack();
  }

  async #rollBack(): Promise<void> {
    const real = this.#real;
    this.#real = undefined;
    if (real !== undefined) {
      if (this.#began) await real.sql.unsafe("ROLLBACK");
      this.#set.real.giveBack(real);
    }
    this.#ended();
  }

  #ended(): void {
    this.#began = false;
    this.#wrote = false;
    this.#wrotePlans = false;
    this.#prefix = [];
    this.#blockedAt = undefined;
    this.#set.locks.letGo(this);
  }

  async #run(statement: Statement): Promise<void> {
    const { text } = statement;
    const { process, hooks } = this.#set;
    if (text.startsWith("BEGIN")) {
      if (hooks.fateOf("BEGIN", statement.carried) === "dies before BEGIN") return hooks.kill(process, "before BEGIN");
      this.#hold(statement);
      // What it may see goes along: nothing can come between.
      if (this.#queue[0]?.text.startsWith(SETTING) === true) this.#hold(this.#queue[0]);
      return;
    }
    if (text.startsWith(SETTING)) this.#hold(statement);
    else if (text === "COMMIT" || text === "ROLLBACK") await this.#end(statement);
    else if (this.isOpen) await this.#carryOut(statement);
    else await this.#carryOutAlone(statement);
  }

  /** A statement that is a transaction: nothing comes between its beginning and its end, but its end has a fate like any other. */
  async #carryOutAlone(statement: Statement): Promise<void> {
    const settled: { answer?: unknown; trouble?: unknown } = {};
    const inside: Statement = {
      ...statement,
      resolve: (answer) => (settled.answer = answer),
      reject: (trouble) => (settled.trouble = trouble),
    };
    this.#queue[0] = inside;
    const bare = { parameters: [], options: {}, asValues: false, carried: statement.carried };
    this.#prefix.push({ ...bare, text: "BEGIN", resolve: () => undefined, reject: () => undefined });
    await this.#carryOut(inside);
    if (this.#queue[0] === inside) {
      // Its locks are taken: it begins again, like one that has not begun.
      this.#queue[0] = statement;
      await this.#real?.sql.unsafe("ROLLBACK");
      this.#began = false;
      return;
    }
    const isRefused = "trouble" in settled;
    this.#queue.unshift({
      ...bare,
      text: isRefused ? "ROLLBACK" : "COMMIT",
      resolve: () => (isRefused ? statement.reject(settled.trouble) : statement.resolve(settled.answer)),
      reject: statement.reject,
    });
    const end = this.#queue[0];
    if (end !== undefined) await this.#end(end);
  }

  #hold(statement: Statement): void {
    this.#queue.shift();
    this.#prefix.push(statement);
    statement.resolve([]);
  }

  /** What was held, and the time if the statement asks for it. */
  #before(text: string): Promise<unknown>[] {
    this.#real ??= this.#set.real.take();
    const { sql } = this.#real;
    const sent = this.#prefix.map((held) => this.#send(held, held.text));
    if (this.#prefix.length > 0) this.#began = true;
    this.#prefix = [];
    if (text.includes("maestro.clock"))
      sent.push(
        sql
          .unsafe("SELECT set_config('maestro.virtual_ms', $1, true)", [String(this.#set.process.world.nowMs)], {
            prepare: true,
          })
          .execute(),
      );
    return sent;
  }

  #send({ parameters, options, asValues }: Statement, text: string): Promise<unknown> {
    if (this.#real === undefined) throw new Error("no connection");
    const query = this.#real.sql.unsafe(text, parameters as postgres.ParameterOrJSON<never>[], options);
    return asValues ? query.values().execute() : query.execute();
  }

  async #carryOut(statement: Statement): Promise<void> {
    const { process, locks } = this.#set;
    const { world } = process;
    const locksRows = WRITES.test(statement.text) || LOCKS.test(statement.text);
    const others = [...locks.holders].some((lane) => lane !== this);
    const givenUp = this.#blockedAt !== undefined && this.#blockedAt.untilMs <= world.nowMs;
    const mayWait = locksRows && others && !statement.text.includes("SKIP LOCKED");
    const sent = this.#before(statement.text);
    // A statement that meets a lock is taken back alone, not its transaction.
    if (mayWait && !givenUp) sent.push(this.#real?.sql.unsafe("SAVEPOINT again").execute() ?? Promise.resolve());
    const text = WAITS_FOR_LOCK.test(statement.text) ? `${statement.text} NOWAIT` : statement.text;
    const answer = this.#send(statement, text);
    const [settledAnswer] = await Promise.allSettled([answer, ...sent]);
    if (settledAnswer.status === "rejected" && codeOf(settledAnswer.reason) === "55P03" && mayWait && !givenUp) {
      await this.#real?.sql.unsafe("ROLLBACK TO again");
      this.#blockedAt = {
        released: locks.released,
        untilMs: this.#blockedAt?.untilMs ?? world.nowMs + this.#lockMs,
      };
      world.count("blocked, try later");
      world.note(process.name, "blocked");
      return;
    }
    this.#blockedAt = undefined;
    this.#queue.shift();
    if (locksRows) locks.holders.add(this);
    if (WRITES.test(statement.text)) this.#wrote = true;
    if (WRITES_PLANS.test(statement.text)) this.#wrotePlans = true;
    world.count("statements");
    world.note(process.name, "sent", shortOf(statement.text));
    world.digestOnly(JSON.stringify(statement.parameters));
    if (settledAnswer.status === "fulfilled") {
      world.digestOnly(JSON.stringify(settledAnswer.value));
      statement.resolve(settledAnswer.value);
    } else {
      world.note(process.name, "refused", codeOf(settledAnswer.reason));
      statement.reject(settledAnswer.reason);
    }
  }

  async #end(statement: Statement): Promise<void> {
    const { process, hooks } = this.#set;
    const { world } = process;
    const wrote = this.#wrote;
    const wrotePlans = this.#wrotePlans;
    const isCommit = statement.text === "COMMIT";
    const fate = isCommit && wrote ? hooks.fateOf("COMMIT", statement.carried) : "done";
    if (fate !== "done") world.note(process.name, fate);
    if (fate === "dies before COMMIT") return hooks.kill(process, fate);
    if (fate === "unknown, not done") return this.break();
    this.#queue.shift();
    const real = this.#began ? this.#real : undefined;
    const isLate = isCommit && wrote && hooks.commitsLate();
    if (isLate) {
      // Its borrower may give it back and take another one before this one is through.
      this.#real = undefined;
      statement.resolve(Object.assign([], { command: "COMMIT" }));
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    let trouble: unknown;
    let rows: unknown = Object.assign([], { command: statement.text });
    if (real !== undefined) {
      try {
        rows = await real.sql.unsafe(statement.text);
      } catch (error) {
        trouble = error;
      }
      if (isLate) this.#set.real.giveBack(real);
    }
    const done = (rows as { readonly command?: string }).command === "COMMIT";
    this.#ended();
    if (wrote) world.note(process.name, done ? "committed" : "rolled back");
    if (wrote && done) for (const kind of statement.carried) world.count(`committed: ${kind}`);
    if (wrotePlans && done) await hooks.committed();
    if (fate === "dies after COMMIT") return hooks.kill(process, fate);
    if (fate === "unknown, done") {
      statement.reject(LOST());
      return this.break();
    }
    if (trouble === undefined) statement.resolve(rows);
    else statement.reject(trouble);
  }

  /** Nobody has it now: the real connection serves others. */
  rest(): void {
    if (this.#real === undefined) return;
    this.#set.real.giveBack(this.#real);
    this.#real = undefined;
  }
}

/** A set of connections of one server. */
export class SimulatedClient implements Client, TurnSource {
  opened = 0;
  readonly #set: Setting;
  readonly #options: ClientOptions;
  readonly #lanes = new Set<SimulatedLane>();
  readonly #free: SimulatedLane[] = [];
  readonly #waiting: ((lane: SimulatedLane) => void)[] = [];
  /** Until when the database cannot be reached. */
  awayUntilMs = 0;

  constructor(setting: Setting, options: ClientOptions) {
    this.#set = setting;
    this.#options = options;
  }

  turns(): readonly Turn[] {
    return [...this.#lanes].flatMap((lane) => lane.turn() ?? []);
  }

  nextMs(): number | null {
    const waits = [...this.#lanes].flatMap((lane) => lane.nextMs() ?? []);
    return waits.length === 0 ? null : Math.min(...waits);
  }

  async reserve(signal?: AbortSignal): Promise<Connection> {
    signal?.throwIfAborted();
    if (this.awayUntilMs > this.#set.process.world.nowMs) throw new StoreUnavailableError("the database is away");
    let lane = this.#free.pop();
    if (lane === undefined && this.#lanes.size < this.#options.poolSize) lane = this.#open();
    lane ??= await new Promise<SimulatedLane>((resolve) => this.#waiting.push(resolve));
    return this.#lend(lane);
  }

  async breakAll(): Promise<void> {
    for (const lane of [...this.#lanes]) {
      await lane.break();
      this.#drop(lane);
    }
  }

  /** The process is gone. */
  async abandonAll(): Promise<void> {
    for (const lane of [...this.#lanes]) await lane.abandon();
    this.#lanes.clear();
  }

  async end(): Promise<void> {
    await this.abandonAll();
  }

  #open(): SimulatedLane {
    const lane = new SimulatedLane(this.#set, this.#options.lockMs ?? 10_000);
    this.#lanes.add(lane);
    this.opened += 1;
    return lane;
  }

  #drop(lane: SimulatedLane): void {
    this.#lanes.delete(lane);
    const at = this.#free.indexOf(lane);
    if (at >= 0) this.#free.splice(at, 1);
  }

  #release(lane: SimulatedLane): void {
    lane.rest();
    if (lane.isBroken) this.#drop(lane);
    const next = this.#waiting.shift();
    if (next !== undefined) next(lane.isBroken ? this.#open() : lane);
    else if (!lane.isBroken) this.#free.push(lane);
  }

  #lend(lane: SimulatedLane): Connection {
    let given = false;
    const release = (): void => {
      if (given) return;
      given = true;
      this.#release(lane);
    };
    return {
      unsafe: (text: string, parameters: readonly unknown[] = [], options: object = {}) =>
        new Sent(lane, text, parameters, options),
      release,
      discard: () => {
        void lane.break();
      },
    } as unknown as Connection;
  }
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : String(error);
}

function shortOf(text: string): string {
  const verb = /\b(INSERT INTO|UPDATE|DELETE FROM|FROM)\s+([\w.]+)/.exec(text);
  return verb === null ? text.slice(0, 40) : `${text.slice(0, 6)} ${verb[2] ?? ""}`;
}
