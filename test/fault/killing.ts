// Kills by plan: who is killed, and where in a commit of a batch that takes outcomes. What happened is written down, proofs included.
// Not here: what must hold afterwards, see kills.test.ts.
import { setTimeout as pause } from "node:timers/promises";
import { uuidOf } from "../../src/support/typeid.ts";
import { readJournal } from "../support/load/journal.ts";
import type { LoadProcess } from "../support/load/remote.ts";
import type { Dice } from "../support/random-graph.ts";
import { until } from "./arena.ts";
import type { Arena, OpenCommit } from "./arena.ts";

export type Victim = "server" | "Postgres" | "executor";
/** Before: Postgres never hears of it. Within: it is in the log. After: it is committed, and nobody hears of it. */
export type Moment = "at large" | "before a commit" | "within a commit" | "after a commit";

export interface Planned {
  readonly victim: Victim;
  readonly moment: Moment;
}

export interface Kill extends Planned {
  /** Steps in the hands of executors, as these see it. */
  readonly inFlight: number;
  /** From the wait for work to the replacement of what was killed, ms. */
  readonly tookMs: number;
  /** Of the commit that was open: outcomes that it takes, its transaction, and what became of that. */
  readonly taken?: number;
  readonly xid?: string;
  readonly fate?: string;
  /** Attempts that it settled, by SQL. */
  readonly settled?: number;
}

const MOMENTS: Readonly<Record<Victim, readonly Moment[]>> = {
  server: ["before a commit", "after a commit", "at large"],
  Postgres: ["within a commit", "before a commit", "after a commit", "at large"],
  executor: ["after a commit", "before a commit", "at large"],
};

/** So many rounds of three kills, in an order that is drawn; a single round is all open commits. */
export function planKills(rounds: number, dice: Dice): readonly Planned[] {
  const plan = Array.from({ length: rounds }, (_, round) =>
    (Object.keys(MOMENTS) as Victim[]).map((victim): Planned => {
      const moments = MOMENTS[victim];
      return { victim, moment: moments[round % moments.length] ?? "at large" };
    }),
  ).flat();
  for (let i = plan.length - 1; i > 0; i--) {
    const j = dice.below(i + 1);
    [plan[i], plan[j]] = [plan[j]!, plan[i]!];
  }
  return plan;
}

/** Steps that must be in flight at each kill. */
export const IN_FLIGHT = 50;
const FLEETS = 2;
const COMMIT_MS = 20_000;

interface Fleet {
  readonly load: LoadProcess;
  readonly journal: string;
}

export class Killing {
  readonly done: Kill[] = [];
  readonly #arena: Arena;
  readonly #dice: Dice;
  readonly #fleets: Fleet[] = [];
  #lives = 0;

  constructor(arena: Arena, dice: Dice) {
    this.#arena = arena;
    this.#dice = dice;
  }

  async start(): Promise<void> {
    for (let i = 0; i < FLEETS; i++) this.#fleets.push(await this.#newFleet(i));
  }

  async kill({ victim, moment }: Planned): Promise<void> {
    const fleetAt = this.#dice.below(FLEETS);
    const beganMs = performance.now();
    for (;;) {
      await this.busy();
      const commit = moment === "at large" ? undefined : await this.#openCommit(victim, fleetAt);
      // At large it is anywhere in what the next moments bring.
      if (commit === undefined) await pause(this.#dice.below(200));
      if (moment === "within a commit") await this.#arena.stopWithinCommits();
      if (moment === "within a commit" || moment === "after a commit") commit?.passUnheard();
      if (commit !== undefined && moment === "within a commit") await this.#arena.withinCommit(commit.backend);
      if (commit !== undefined && moment === "after a commit") await this.#arena.fateOf(commit.xid);
      const inFlight = await this.inFlight();
      // A commit that is held holds others up.
      if (inFlight < IN_FLIGHT && moment !== "within a commit") {
        commit?.release();
        continue;
      }
      await this.#carryOut(victim, fleetAt, commit, moment);
      const proof =
        commit === undefined
          ? {}
          : { taken: commit.taken.length, xid: commit.xid, fate: await this.#arena.fateOf(commit.xid) };
      const settled = commit === undefined ? {} : { settled: await this.#arena.settledBy(commit.xid) };
      const tookMs = Math.round(performance.now() - beganMs);
      this.done.push({ victim, moment, inFlight, tookMs, ...proof, ...settled });
      return;
    }
  }

  async #carryOut(victim: Victim, fleetAt: number, commit: OpenCommit | undefined, moment: Moment): Promise<void> {
    switch (victim) {
      case "server":
        await this.#arena.server.kill();
        await this.#arena.startServer();
        return;
      case "Postgres":
        await this.#arena.killPostgres();
        await this.#arena.startPostgres();
        return;
      case "executor": {
        const fleet = this.#fleets[fleetAt];
        if (fleet !== undefined) await this.#arena.killLoad(fleet.load);
        // The server lives and has to find out by itself what became of its batch.
        if (moment === "before a commit") commit?.cut();
        else commit?.release();
        this.#fleets[fleetAt] = await this.#newFleet(fleetAt);
      }
    }
  }

  /** One that takes outcomes of the executor that is to be killed, if it is one. */
  async #openCommit(victim: Victim, fleetAt: number): Promise<OpenCommit> {
    for (;;) {
      const commit = await this.#arena.openCommit(COMMIT_MS);
      if (victim !== "executor" || this.#awaits(commit, this.#fleets[fleetAt])) return commit;
      commit.release();
    }
  }

  /** Whether these executors have reported one of the outcomes and wait for its receipt. */
  #awaits(commit: OpenCommit, fleet: Fleet | undefined): boolean {
    const keyOf = (plan: string, ordinal = 0, fencing = 0): string => `${plan}/${ordinal}/${fencing}`;
    const reported = new Set<string>();
    for (const { k, p, o, f } of fleet === undefined ? [] : readJournal(fleet.journal)) {
      const key = keyOf(uuidOf(p, "plan") ?? "", o, f);
      if (k === "o") reported.add(key);
      if (k === "k") reported.delete(key);
    }
    return commit.taken.some(({ plan, ordinal, fencing }) => reported.has(keyOf(plan, ordinal, fencing)));
  }

  async #newFleet(at: number): Promise<Fleet> {
    const life = this.#lives++;
    const load = await this.#arena.startLoad(`fleet-${life}`);
    // Every other fleet comes back under the same names, as a process that is started again does.
    const prefix = `fleet-${at}-${life >> 2}`;
    await load.ask("executors", { streams: 2, slots: 40, takes: [80, 300], prefix });
    return { load, journal: this.#arena.journalOf(`fleet-${life}`) };
  }

  async inFlight(): Promise<number> {
    return (await this.#counters()).inFlight;
  }

  /** Outcomes are taken, and enough steps are with executors. */
  async busy(): Promise<void> {
    const { receipts } = await this.#counters();
    await until("work under way", 30_000, async () => {
      const now = await this.#counters();
      return now.inFlight >= IN_FLIGHT && now.receipts >= receipts + 100;
    });
  }

  async #counters(): Promise<{ readonly inFlight: number; readonly receipts: number }> {
    const all = await Promise.all(this.#fleets.map(({ load }) => load.ask("counters")));
    return {
      inFlight: all.reduce((sum, each) => sum + each.inFlight, 0),
      receipts: all.reduce((sum, each) => sum + each.receipts, 0),
    };
  }
}
