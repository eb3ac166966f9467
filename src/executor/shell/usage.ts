// What a command used of processor and memory, as far as Linux tells. Elsewhere nothing is known, and nothing is said.
// Not here: how usage is reported to Maestro.
import {
  childrenOf,
  hasProcessTable,
  readProcess,
  residentBytes,
  TICK_MS,
  ticksOfEndedChildren,
} from "./process-table.ts";

/** A new command is looked at soon, since most are short; a long one rarely. */
const FIRST_LOOK_MS = 25;
const SLOWEST_LOOK_MS = 1_000;
/** Bounds one look at a command that starts thousands of processes. */
const MOST_PROCESSES = 200;

export interface MeasuredUsage {
  readonly cpuMs?: number;
  readonly maxRssBytes?: number;
}

/**
 * When a child is waited for, the kernel adds its processor time, with that of the children it waited for, to a sum of this
 * process. Its growth since the last look is what the child used; children that ended in the same turn share it.
 */
let sumTicks = hasProcessTable ? ticksOfEndedChildren() : 0;
let endedNow: UsageMeter[] = [];

function settle(): void {
  const meters = endedNow;
  endedNow = [];
  const grown = growth();
  for (const meter of meters) meter.settle(grown / meters.length);
}

function growth(): number {
  const before = sumTicks;
  sumTicks = ticksOfEndedChildren();
  return Math.max(0, sumTicks - before);
}

/** Follows one command from start to exit. */
export class UsageMeter {
  readonly #root: number;
  #timer: NodeJS.Timeout | undefined;
  #waitMs = FIRST_LOOK_MS;
  #ticks = 0;
  #maxRssBytes = 0;
  #resolve: () => void = () => undefined;

  constructor(root: number) {
    this.#root = root;
    if (hasProcessTable) this.#plan();
  }

  /** To be called in the root's exit event. */
  async ended(): Promise<MeasuredUsage> {
    clearTimeout(this.#timer);
    if (!hasProcessTable) return {};
    if (endedNow.push(this) === 1) setImmediate(settle);
    await new Promise<void>((resolve) => (this.#resolve = resolve));
    return {
      cpuMs: Math.round(this.#ticks * TICK_MS),
      ...(this.#maxRssBytes > 0 && { maxRssBytes: this.#maxRssBytes }),
    };
  }

  /** Before the tree is killed: what its members used is in nobody's sum if nobody waits for them. */
  look(): void {
    if (!hasProcessTable) return;
    // Other children of this process may have ended; their time is not the command's.
    if (endedNow.length === 0) growth();
    const pids = [this.#root];
    let ticks = 0;
    let rssBytes = 0;
    for (let at = 0; at < Math.min(pids.length, MOST_PROCESSES); at++) {
      const pid = pids[at] ?? 0;
      const resident = residentBytes(pid);
      ticks += readProcess(pid)?.ticks ?? 0;
      rssBytes += resident.now;
      this.#maxRssBytes = Math.max(this.#maxRssBytes, resident.most);
      pids.push(...childrenOf(pid));
    }
    this.#ticks = Math.max(this.#ticks, ticks);
    this.#maxRssBytes = Math.max(this.#maxRssBytes, rssBytes);
  }

  settle(ticks: number): void {
    this.#ticks = Math.max(this.#ticks, ticks);
    this.#resolve();
  }

  #plan(): void {
    this.#timer = setTimeout(() => {
      this.look();
      this.#plan();
    }, this.#waitMs).unref();
    this.#waitMs = Math.min(this.#waitMs * 2, SLOWEST_LOOK_MS);
  }
}
