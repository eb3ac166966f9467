// Runs one seed: servers, executors, operators and trouble for a while, then none of it until every plan has come to its end.
// Not here: what is checked meanwhile (observer.ts, ledger.ts).
import type { OrgId } from "../../src/domain/id.ts";
import type { HeavyWork } from "../../src/operations/heavy-work.ts";
import type { Store } from "../../src/store/ports/store.ts";
import { uuidv7 } from "../../src/support/typeid.ts";
import { isLeased } from "../support/plan-invariants-terms.ts";
import { movers } from "../support/plan-invariants.ts";
import { Locks } from "./connections.ts";
import type { Hooks } from "./connections.ts";
import { Crashes } from "./crashes.ts";
import type { RealConnections } from "./statements.ts";
import { SimulatedCaller } from "./callers.ts";
import { SimulatedExecutor } from "./executors.ts";
import type { ExecutorOptions } from "./executors.ts";
import { Ledger, SKEW_MS } from "./ledger.ts";
import type { Observer } from "./observer.ts";
import { isSettled, Operators } from "./operators.ts";
import { SimulatedServer } from "./server.ts";
import { START_MS, Violation, World } from "./world.ts";
import type { Process, Turn } from "./world.ts";

/** How long there is trouble, and how long it may then take until all is settled. */
const TROUBLE_MS = 14_000;
const SETTLE_MS = 60_000;
/** Against a seed that never ends. */
const STEPS_LIMIT = 20_000;

export interface Ground {
  readonly real: RealConnections;
  readonly observer: Observer;
  readonly heavy: HeavyWork;
}

/** A planted fault. */
export interface Fault {
  readonly tamper?: (store: Store, world: World) => Store;
  readonly commitsLate?: boolean;
}

export interface Run {
  readonly seed: number;
  readonly digest: string;
  readonly counts: ReadonlyMap<string, number>;
  readonly violation: string | null;
  readonly trace: readonly string[];
}

export async function simulate(ground: Ground, seed: number, fault: Fault = {}): Promise<Run> {
  const world = new World(seed);
  await ground.observer.begin(world);
  const scene = new Scene(ground, world, fault);
  let violation: string | null = null;
  try {
    await scene.play();
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    violation = error.message;
  } finally {
    await scene.clear();
  }
  return { seed, digest: world.digest(), counts: world.counts, violation, trace: world.trace };
}

class Scene {
  readonly #ground: Ground;
  readonly #world: World;
  readonly #fault: Fault;
  readonly #clients: Process;
  readonly #database: Process;
  readonly #locks = new Locks();
  readonly #ledger: Ledger;
  readonly #operators: Operators;
  readonly #principal;
  readonly #executors: SimulatedExecutor[] = [];
  readonly #callers: SimulatedCaller[] = [];
  readonly #servers: SimulatedServer[] = [];
  /** Of servers that are gone: what the database has not found out yet. */
  readonly #remains: { readonly atMs: number; readonly abandoned: () => Promise<void> }[] = [];
  readonly #crashes: Crashes;
  #calm = false;
  #named = 0;

  constructor(ground: Ground, world: World, fault: Fault) {
    this.#ground = ground;
    this.#world = world;
    this.#fault = fault;
    this.#crashes = new Crashes(world.seed, world.dice);
    this.#clients = world.process("clients");
    this.#database = world.process("database");
    this.#database.sources.push({
      turns: () => this.#due(),
      nextMs: () => (this.#remains.length === 0 ? null : Math.min(...this.#remains.map(({ atMs }) => atMs))),
    });
    const orgId = uuidv7(START_MS, this.#clients.random.bytes(10)) as OrgId;
    this.#principal = { orgId, name: "operator", grants: ["*"], keyId: null, untilMs: null };
    this.#ledger = new Ledger(world, ground.observer, () => this.#servers);
    const anyServer = (): SimulatedServer | undefined => {
      const up = this.#servers.filter((server) => server.process.isAlive && server.isStarted);
      return up.length === 0 ? undefined : this.#clients.dice.pick(up);
    };
    this.#operators = new Operators({
      clients: this.#clients,
      observer: ground.observer,
      heavy: ground.heavy,
      anyServer,
    });
    this.#anyServer = anyServer;
  }

  readonly #anyServer: () => SimulatedServer | undefined;

  async play(): Promise<void> {
    const { dice } = this.#world;
    await this.#ground.observer.orgs(this.#principal.orgId, "org");
    const servers = 2 + dice.below(2);
    for (let i = 0; i < servers; i++) this.#startServer();
    const executors = 1 + dice.below(3);
    const callers = 1 + dice.below(2);
    this.#clients.timers.after(50, () => {
      for (let i = 0; i < executors; i++) this.#addExecutor(`executor-${String(i)}`);
      for (let i = 0; i < callers; i++) this.#callers.push(new SimulatedCaller(this.#optionsOf(`caller-${String(i)}`)));
    });
    const plans = 2 + dice.below(2);
    for (let i = 0; i < plans; i++)
      this.#clients.timers.after(100 + dice.below(4_000), () => {
        this.#operators.commit(`plan-${String(i)}`);
      });
    for (let atMs = 1_000; atMs < TROUBLE_MS; atMs += 400 + dice.below(1_200))
      this.#clients.timers.after(atMs, () => {
        this.#trouble();
      });
    for (let atMs = 1_500; atMs < TROUBLE_MS; atMs += 300 + dice.below(1_200))
      this.#clients.timers.after(atMs, () => {
        this.#operators.disturb();
      });
    await this.#until(() => this.#world.nowMs >= START_MS + TROUBLE_MS);
    this.#world.note("world", "calm");
    this.#calm = true;
    for (const executor of [...this.#executors, ...this.#callers]) executor.isGood = true;
    const settle = (): void => {
      this.#operators.settle();
    };
    settle();
    this.#clients.timers.every(2_000, settle);
    const limitMs = this.#world.nowMs + SETTLE_MS;
    await this.#until(() => {
      if (this.#isSettled()) return true;
      if (this.#world.nowMs < limitMs) return false;
      throw new Violation(`plans got stuck: ${this.#stuck()}`);
    });
    this.#ledger.check();
    await this.#ground.observer.look();
    if (this.#world.violation !== undefined) throw this.#world.violation;
  }

  /** Leaves the database to the next seed. */
  async clear(): Promise<void> {
    for (const server of this.#servers) await server.kill().abandoned();
    for (const { abandoned } of this.#remains.splice(0)) await abandoned();
  }

  async #until(done: () => boolean): Promise<void> {
    for (let steps = 0; !done(); steps++) {
      if (steps > STEPS_LIMIT) throw new Violation(`no end after so many steps: ${this.#stuck()}`);
      await this.#world.step();
    }
  }

  #isSettled(): boolean {
    const plans = [...this.#ground.observer.snapshot.values()];
    return this.#operators.open === 0 && plans.every((stored) => isSettled(stored, movers(stored)));
  }

  #stuck(): string {
    return [...this.#ground.observer.snapshot.values()]
      .map((it) => {
        const leased = [...it.steps.values()].filter(isLeased);
        return `${it.plan.planId} ${it.plan.state} ${JSON.stringify(it.states())} ${movers(it).join(",")} ${JSON.stringify(leased)}`;
      })
      .join(" | ");
  }

  #startServer(): void {
    this.#named += 1;
    const process = this.#world.process(`server-${String(this.#named)}`);
    process.skewMs = this.#world.dice.below(2 * SKEW_MS) - SKEW_MS;
    const { tamper } = this.#fault;
    const server = new SimulatedServer({
      process,
      real: this.#ground.real,
      locks: this.#locks,
      hooks: this.#hooks,
      principal: this.#principal,
      ledger: this.#ledger,
      tamper: (store) => tamper?.(store, this.#world) ?? store,
    });
    this.#servers.push(server);
    this.#world.note(process.name, "starts");
    server.start(() => {
      void this.#kill(process, "could not start");
    });
  }

  readonly #hooks: Hooks = {
    fateOf: (when, carried) => {
      const crash = this.#calm ? undefined : this.#crashes.at(when, carried);
      if (crash === undefined) return "done";
      for (const kind of when === "BEGIN" ? [crash.of] : carried) this.#world.count(`${crash.fate}: ${kind}`);
      return crash.fate;
    },
    kill: (process, why) => this.#kill(process, why),
    committed: () => this.#ground.observer.look(),
    commitsLate: () => this.#fault.commitsLate ?? false,
  };

  async #kill(process: Process, why: string): Promise<void> {
    const server = this.#servers.find((one) => one.process === process);
    if (server?.process.isAlive !== true) return;
    this.#world.note(process.name, "dies", why);
    this.#world.count("killed");
    const { abandoned } = server.kill();
    this.#remains.push({ atMs: this.#world.nowMs + this.#world.dice.below(1_500), abandoned });
    this.#clients.timers.after(200 + this.#world.dice.below(this.#calm ? 500 : 6_000), () => {
      this.#startServer();
    });
  }

  #due(): readonly Turn[] {
    return this.#remains
      .filter(({ atMs }) => atMs <= this.#world.nowMs)
      .map((one) => ({
        run: async () => {
          this.#remains.splice(this.#remains.indexOf(one), 1);
          await one.abandoned();
        },
      }));
  }

  #addExecutor(name: string): void {
    this.#executors.push(new SimulatedExecutor(this.#optionsOf(name)));
  }

  #optionsOf(name: string): ExecutorOptions {
    return {
      name,
      clients: this.#clients,
      principal: { ...this.#principal, name },
      ledger: this.#ledger,
      slots: 1 + this.#world.dice.below(3),
      anyServer: this.#anyServer,
    };
  }

  #trouble(): void {
    const { dice } = this.#world;
    const executor = this.#executors.length === 0 ? undefined : dice.pick(this.#executors);
    const server = this.#anyServer();
    const caller = this.#callers.length === 0 ? undefined : dice.pick(this.#callers);
    const chance = dice.fraction();
    if (chance < 0.4) executor?.break(dice.below(4_000), dice.chance(0.4));
    else if (chance < 0.52) executor?.silence(5_000 + dice.below(9_000));
    else if (chance < 0.6) caller?.silence(3_000 + dice.below(6_000));
    else if (chance < 0.66) caller?.forget();
    else if (chance < 0.82 && server !== undefined) {
      const ms = dice.chance(0.5) ? dice.below(3_000) : 6_000 + dice.below(9_000);
      this.#world.note(server.process.name, "freezes", String(ms));
      this.#world.count("frozen");
      server.freeze(ms);
    } else if (chance < 0.94 && server !== undefined) {
      const ms = dice.below(12_000);
      this.#world.note(server.process.name, "is cut off", String(ms));
      this.#world.count("cut off");
      this.#remains.push({ atMs: this.#world.nowMs, abandoned: () => server.cutOff(ms) });
    } else if (server !== undefined) void this.#kill(server.process, "by chance");
  }
}
