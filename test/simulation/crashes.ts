// Which crashes a seed has: at which point, and of a transaction that carries what. All pairs come up within fifty seeds. Not here:
// carrying them out, see connections.ts.
import { CARRIED } from "./carried.ts";
import type { CommitFate } from "./connections.ts";
import type { Dice } from "../support/random-graph.ts";

export const AT_COMMIT = ["dies before COMMIT", "dies after COMMIT", "unknown, done", "unknown, not done"] as const;
/** Before it begins nobody knows yet what a transaction will carry. */
const AT_BEGIN = ["batch", "operation"] as const;

export type CrashKind = (typeof CARRIED)[number] | (typeof AT_BEGIN)[number];

export interface Crash {
  readonly fate: CommitFate;
  readonly of: CrashKind;
}

export const CRASHES: readonly Crash[] = [
  ...AT_BEGIN.map((of): Crash => ({ fate: "dies before BEGIN", of })),
  ...CARRIED.flatMap((of) => AT_COMMIT.map((fate): Crash => ({ fate, of }))),
];

/** Seldom carried: watched for in every seed, and the first is taken. The others would leave no server alive for them, and are watched for in some. */
const SELDOM: ReadonlySet<CrashKind> = new Set(["evidence", "loss", "sweep", "wake", "cascade", "overdue"]);
/** Carried all the time: not the first of them. */
const FREQUENT: ReadonlySet<CrashKind> = new Set(["claim", "outcome", "operation", "batch"]);
const ONE_SEED_IN = 4;

export class Crashes {
  readonly #left: { readonly crash: Crash; left: number }[];

  constructor(seed: number, dice: Dice) {
    const kinds = [...AT_BEGIN, ...CARRIED];
    this.#left = [
      ...AT_BEGIN.map((of): Crash => ({ fate: "dies before BEGIN", of })),
      ...CARRIED.map((of, i): Crash => ({
        fate: AT_COMMIT[(Math.floor(seed / ONE_SEED_IN) + seed + i) % 4] ?? "done",
        of,
      })),
    ]
      .filter(({ of }) => SELDOM.has(of) || (seed + kinds.indexOf(of)) % ONE_SEED_IN === 0)
      .map((crash) => ({ crash, left: 1 + dice.below(FREQUENT.has(crash.of) ? 15 : SELDOM.has(crash.of) ? 1 : 2) }));
  }

  /** The one that comes true now. */
  at(when: "BEGIN" | "COMMIT", carried: ReadonlySet<string>): Crash | undefined {
    for (const one of this.#left) {
      const { fate, of } = one.crash;
      if (fate.endsWith("BEGIN") !== (when === "BEGIN") || !carried.has(of)) continue;
      one.left -= 1;
      if (one.left > 0) continue;
      this.#left.splice(this.#left.indexOf(one), 1);
      return one.crash;
    }
    return undefined;
  }
}
