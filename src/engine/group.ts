// Which calls go together: those of one line (an org and an operation) that came while others of it were under way. Nobody waits
// for company: whoever finds its line empty goes at once. Not here: what a group does, see together.ts.
import { refusal, RefusedError } from "../domain/refusal.ts";

export interface GroupLimits {
  /** Calls of one group, and what they may weigh together: what is written at once is held at once. */
  readonly calls: number;
  readonly weight: number;
  /** Calls that wait in a line. */
  readonly waiting: number;
}

export const GROUP_LIMITS: GroupLimits = { calls: 256, weight: 4 * 1024 * 1024, waiting: 512 };

/** What became of a call: its answer, what went wrong with it, or that it must go with the next group. */
export type Fate<R> =
  | { readonly kind: "answer"; readonly answer: R }
  | { readonly kind: "trouble"; readonly trouble: Error }
  | { readonly kind: "again" };

/** Carries out a group; the fates are in the order of its calls. It does not throw. */
export type Carry<T, R> = (calls: readonly T[]) => Promise<readonly Fate<R>[]>;

export interface Groups {
  /** Calls of one line must come with a `carry` that does the same. Throws RefusedError when too many wait, or the signal's reason. */
  join<T, R>(line: string, call: T, weight: number, carry: Carry<T, R>, signal: AbortSignal): Promise<R>;
}

interface Waiting {
  readonly call: unknown;
  readonly weight: number;
  readonly carry: Carry<never, unknown>;
  readonly settle: (fate: Exclude<Fate<unknown>, { readonly kind: "again" }>) => void;
  /** Its caller is gone. */
  isGone: boolean;
}

interface Line {
  isBusy: boolean;
  waiting: Waiting[];
}

export function createGroups(limits: GroupLimits = GROUP_LIMITS): Groups {
  const lines = new Map<string, Line>();

  function take(line: Line): Waiting[] {
    line.waiting = line.waiting.filter(({ isGone }) => !isGone);
    let weight = 0;
    let count = 0;
    for (const { weight: own } of line.waiting) {
      weight += own;
      if (count === limits.calls || (count > 0 && weight > limits.weight)) break;
      count += 1;
    }
    return line.waiting.splice(0, count);
  }

  async function work(name: string, line: Line): Promise<void> {
    line.isBusy = true;
    // What came in the same turn of the event loop goes along: requests are read from their connections one after the other.
    await new Promise((resolve) => setImmediate(resolve));
    for (let group = take(line); group.length > 0; group = take(line)) {
      const fates = await carried(group);
      const again: Waiting[] = [];
      for (const [i, one] of group.entries()) {
        const fate = fates[i] ?? {
          kind: "trouble",
          trouble: new Error("a call of a group was left without an answer"),
        };
        if (fate.kind === "again") again.push(one);
        else one.settle(fate);
      }
      line.waiting.unshift(...again);
    }
    line.isBusy = false;
    lines.delete(name);
  }

  return {
    join: (name, call, weight, carry, signal) =>
      new Promise((resolve, reject) => {
        signal.throwIfAborted();
        const line = lines.get(name) ?? { isBusy: false, waiting: [] };
        lines.set(name, line);
        if (line.waiting.length >= limits.waiting) throw new RefusedError(overloaded(limits.waiting));
        const callOff = (): void => {
          one.isGone = true;
          reject(signal.reason as Error);
        };
        const one: Waiting = {
          call,
          weight,
          carry: carry,
          isGone: false,
          settle: (fate) => {
            signal.removeEventListener("abort", callOff);
            if (fate.kind === "answer") resolve(fate.answer as never);
            else reject(fate.trouble);
          },
        };
        signal.addEventListener("abort", callOff, { once: true });
        line.waiting.push(one);
        if (!line.isBusy) void work(name, line);
      }),
  };
}

async function carried(group: readonly Waiting[]): Promise<readonly Fate<unknown>[]> {
  try {
    return (await group[0]?.carry(group.map(({ call }) => call) as never)) ?? [];
  } catch (trouble) {
    return group.map(() => ({ kind: "trouble", trouble: trouble as Error }));
  }
}

function overloaded(limit: number): ReturnType<typeof refusal> {
  return refusal("OVERLOADED", `${String(limit)} calls of this operation wait already.`, {
    rule: "calls.group",
    metadata: { limit: String(limit) },
    retryAfterMs: 200,
    remedy: "Send fewer calls at once.",
  });
}
