// The world of one seed: virtual time, what waits for it, and whose turn it is. Everything that happens is drawn here, and goes
// into the digest. Not here: statements (connections.ts), and what the seed makes happen (simulation.ts).
import { createHash } from "node:crypto";
import type { Clock } from "../../src/support/clock.ts";
import type { Random } from "../../src/support/random.ts";
import type { Timer, Timers } from "../../src/support/timers.ts";
import { dice } from "../support/random-graph.ts";
import type { Dice } from "../support/random-graph.ts";

/** Inside of the partitions that the simulation makes; the same on every day that it runs. */
export const START_MS = Date.UTC(2026, 5, 10, 12);
/** What happened last, for whoever reads of a violation. */
const TRACE_LINES = 40_000;

/** Something that could happen now. */
export interface Turn {
  run(): Promise<void> | void;
}

/** Whoever has turns besides timers: the sets of connections of a server. */
export interface TurnSource {
  turns(): readonly Turn[];
  /** When something will be possible that is not now; null for never. */
  nextMs(): number | null;
}

interface Due {
  readonly atMs: number;
  readonly place: number;
  readonly work: () => void;
}

/** An invariant that does not hold. */
export class Violation extends Error {}

export class World {
  readonly seed: number;
  readonly dice: Dice;
  readonly counts = new Map<string, number>();
  readonly trace: string[] = [];
  nowMs = START_MS;
  /** The first one found. */
  violation: Violation | undefined;
  readonly #processes: Process[] = [];
  readonly #hash = createHash("sha256");
  #place = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.dice = dice(seed);
  }

  process(name: string): Process {
    const process = new Process(this, name, dice(this.dice.below(1_000_000_000)));
    this.#processes.push(process);
    return process;
  }

  place(): number {
    return ++this.#place;
  }

  /** Notes an event: it goes into the digest. */
  note(who: string, what: string, about = ""): void {
    const line = `${String(this.nowMs - START_MS)} ${who} ${what}${about === "" ? "" : ` ${about}`}`;
    this.#hash.update(line).update("\n");
    this.trace.push(line.slice(0, 300));
    if (this.trace.length > TRACE_LINES) this.trace.shift();
  }

  /** Goes into the digest, and is not worth reading. */
  digestOnly(text: string): void {
    this.#hash.update(text);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  violated(what: string): void {
    this.violation ??= new Violation(what);
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Lets one thing happen: the seed picks among all that can happen now. When nothing can, time goes on to the next that will. */
  async step(): Promise<void> {
    await settled();
    if (this.violation !== undefined) throw this.violation;
    const turns = this.#processes.flatMap((process) => process.turns());
    if (turns.length === 0) {
      const next = Math.min(...this.#processes.map((process) => process.nextMs()));
      if (next === Number.POSITIVE_INFINITY) throw new Violation("nothing can happen any more");
      this.nowMs = Math.max(this.nowMs, next);
      return;
    }
    if (this.dice.chance(0.3)) this.nowMs += 1 + this.dice.below(4);
    await this.dice.pick(turns).run();
  }

  remove(process: Process): void {
    const at = this.#processes.indexOf(process);
    if (at >= 0) this.#processes.splice(at, 1);
  }
}

/** All that follows from what was answered has happened: nothing in the product waits for anything but turns. */
async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

/** A process that may be frozen and killed: its clock, its timers, its chance. */
export class Process {
  readonly world: World;
  readonly name: string;
  readonly dice: Dice;
  isAlive = true;
  frozenUntilMs = 0;
  /** How far its wall clock is wrong. */
  skewMs = 0;
  readonly sources: TurnSource[] = [];
  readonly #due = new Set<Due>();
  readonly #soon: (() => void)[] = [];

  constructor(world: World, name: string, own: Dice) {
    this.world = world;
    this.name = name;
    this.dice = own;
  }

  get isFrozen(): boolean {
    return this.frozenUntilMs > this.world.nowMs;
  }

  readonly clock: Clock = {
    nowMs: () => this.world.nowMs + this.skewMs,
    monotonicMs: () => this.world.nowMs - START_MS,
    alarm: (atMs, ring) => {
      const timer = this.timers.after(Math.max(0, atMs - this.clock.nowMs()), ring);
      return () => {
        timer.cancel();
      };
    },
  };

  readonly timers: Timers = {
    after: (ms, work) => this.#after(ms, work),
    every: (ms, work) => {
      let timer: Timer;
      const again = (): void => {
        timer = this.#after(ms, () => {
          again();
          work();
        });
      };
      again();
      return {
        cancel: () => {
          timer.cancel();
        },
      };
    },
    soon: (work) => {
      if (this.isAlive) this.#soon.push(work);
    },
  };

  readonly random: Random = {
    bytes: (count) => Uint8Array.from({ length: count }, () => this.dice.below(256)),
    fraction: () => this.dice.fraction(),
  };

  /** Nothing of it happens any more. */
  kill(): void {
    this.isAlive = false;
    this.#due.clear();
    this.#soon.length = 0;
    this.world.remove(this);
  }

  turns(): readonly Turn[] {
    if (this.isFrozen) return [];
    const turns = this.sources.flatMap((source) => source.turns());
    const soon = this.#soon[0];
    if (soon !== undefined)
      turns.push({
        run: () => {
          this.#soon.shift();
          soon();
        },
      });
    const due = this.#first();
    if (due !== undefined && due.atMs <= this.world.nowMs)
      turns.push({
        run: () => {
          this.#due.delete(due);
          due.work();
        },
      });
    return turns;
  }

  nextMs(): number {
    const waits = [
      this.#first()?.atMs ?? Number.POSITIVE_INFINITY,
      ...this.sources.map((source) => source.nextMs() ?? Number.POSITIVE_INFINITY),
    ];
    return Math.max(Math.min(...waits), this.frozenUntilMs);
  }

  #after(ms: number, work: () => void): Timer {
    const due = { atMs: this.world.nowMs + Math.max(0, Math.ceil(ms)), place: this.world.place(), work };
    if (this.isAlive) this.#due.add(due);
    return {
      cancel: () => {
        this.#due.delete(due);
      },
    };
  }

  #first(): Due | undefined {
    let first: Due | undefined;
    for (const due of this.#due)
      if (first === undefined || due.atMs < first.atMs || (due.atMs === first.atMs && due.place < first.place))
        first = due;
    return first;
  }
}
