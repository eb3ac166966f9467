// All processes that a command started, and how they are ended: politely, then for certain. No foreign process is ever
// signalled. Not here: the end of the executor itself, see guard.ts.
import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../support/clock.ts";
import {
  carriesMark,
  childrenOf,
  hasProcessTable,
  holdsBadge,
  liveProcesses,
  readProcess,
  uptimeTicks,
} from "./process-table.ts";
import type { ProcessRow } from "./process-table.ts";

const FIRST_LOOK_MS = 10;
const SLOWEST_LOOK_MS = 250;
/** How long killed processes may take to disappear. What is left then does not obey us (another user's, or stuck in the kernel). */
const KILL_MS = 5_000;
/** While the command runs, its tree is remembered this often; sooner at first, since most that detaches does so at once. */
const FIRST_WATCH_MS = 25;
const SLOWEST_WATCH_MS = 200;
/** Bounds one such look at a command that starts thousands of processes. */
const MOST_WATCHED = 500;

/**
 * The tree of a command. On Linux a process belongs to it when it carries the command's mark in its environment, is in the
 * session that the command leads, holds the file that the command began with (its badge), or descends from one of those,
 * or was seen to while the command ran. What does away with all of that before anybody looked escapes: new session, cleared
 * environment, badge closed, parent gone, within one look (25 ms at first, later 200). So does a process of another user.
 * Elsewhere the tree is the process group; on Windows what taskkill finds.
 */
export class ProcessTree {
  readonly #root: number;
  readonly #mark: string;
  readonly #badge: string | undefined;
  readonly #clock: Clock;
  /** Start of each process once seen in the tree: its children are ours even when its mark is gone. */
  readonly #known = new Map<number, number>();
  /** Set when the root was waited for. From then on its number may be used again. */
  #rootEndTicks: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** `root` leads a session and a group of its own, and has inherited the badge, if there is one. */
  constructor(root: number, mark: string, clock: Clock, badge?: string) {
    this.#root = root;
    this.#mark = mark;
    this.#clock = clock;
    this.#badge = badge;
    if (hasProcessTable) this.#watch(FIRST_WATCH_MS);
  }

  /** To be called as soon as the root's exit is known. */
  rootEnded(): void {
    this.#rootEndTicks ??= hasProcessTable ? uptimeTicks() : 0;
  }

  /** Ends everything: TERM to all, KILL after the grace. Returns when nothing is left that can be ended. */
  async end(graceMs: number): Promise<void> {
    clearTimeout(this.#timer);
    if (process.platform === "win32") return this.#endOnWindows();
    if (await this.#allGone()) return;
    await this.#signalAll("SIGTERM");
    if (await this.#goneWithin(graceMs, () => Promise.resolve())) return;
    // Again and again: a process may start another between our look and our signal.
    await this.#signalAll("SIGKILL");
    await this.#goneWithin(KILL_MS, () => this.#signalAll("SIGKILL"));
  }

  #watch(waitMs: number): void {
    this.#timer = setTimeout(() => {
      this.#remember();
      this.#watch(Math.min(waitMs * 2, SLOWEST_WATCH_MS));
    }, waitMs).unref();
  }

  /** Children of what is known are ours, also once they have another parent. */
  #remember(): void {
    const pids = this.#rootEndTicks === undefined ? [this.#root] : [];
    for (const [pid, startTicks] of this.#known) {
      if (readProcess(pid)?.startTicks !== startTicks) this.#known.delete(pid);
      else if (pid !== this.#root) pids.push(pid);
    }
    const seen = new Set(pids);
    for (let at = 0; at < Math.min(pids.length, MOST_WATCHED); at++) {
      for (const child of childrenOf(pids[at] ?? 0)) {
        const row = seen.has(child) ? undefined : readProcess(child);
        if (row === undefined || row.dead) continue;
        seen.add(child);
        this.#known.set(child, row.startTicks);
        pids.push(child);
      }
    }
  }

  async #goneWithin(limitMs: number, between: () => Promise<void>): Promise<boolean> {
    const endMs = this.#clock.monotonicMs() + limitMs;
    for (let waitMs = FIRST_LOOK_MS; ; waitMs = Math.min(waitMs * 2, SLOWEST_LOOK_MS)) {
      const leftMs = endMs - this.#clock.monotonicMs();
      if (leftMs <= 0) return false;
      await delay(Math.min(waitMs, leftMs));
      if (await this.#allGone()) return true;
      await between();
    }
  }

  async #allGone(): Promise<boolean> {
    return hasProcessTable ? (await this.#members()).length === 0 : !this.#signalGroup(0);
  }

  async #signalAll(signal: NodeJS.Signals): Promise<void> {
    const members = hasProcessTable ? await this.#members() : [];
    // One call for the whole group leaves no gap. Once the root is gone its number is no proof on its own.
    const wholeGroup = this.#rootEndTicks === undefined || !hasProcessTable;
    if (wholeGroup) this.#signalGroup(signal);
    for (const { pid, startTicks } of members) {
      const row = readProcess(pid);
      if (row === undefined || row.dead || row.startTicks !== startTicks) continue;
      if (wholeGroup && row.group === this.#root) continue;
      trySignal(pid, signal);
    }
  }

  #signalGroup(signal: NodeJS.Signals | 0): boolean {
    return trySignal(-this.#root, signal);
  }

  async #members(): Promise<ProcessRow[]> {
    const rows = await liveProcesses();
    const byParent = Map.groupBy(rows, ({ parent }) => parent);
    const members = new Map<number, ProcessRow>();
    const waiting = rows.filter((row) => this.#isOurs(row));
    for (let row = waiting.pop(); row !== undefined; row = waiting.pop()) {
      if (row.pid === process.pid || members.has(row.pid)) continue;
      members.set(row.pid, row);
      this.#known.set(row.pid, row.startTicks);
      waiting.push(...(byParent.get(row.pid) ?? []));
    }
    return [...members.values()];
  }

  #isOurs(row: ProcessRow): boolean {
    if (this.#known.get(row.pid) === row.startTicks) return true;
    // The session's number is its leader's. It cannot be given out again while the leader is not waited for, so a member that
    // started before then is of this session; one that started later may be of another with the same number.
    const endTicks = this.#rootEndTicks ?? Number.POSITIVE_INFINITY;
    if (row.session === this.#root && row.startTicks <= endTicks) return true;
    if (this.#badge !== undefined && holdsBadge(row.pid, this.#badge)) return true;
    return carriesMark(row.pid, this.#mark);
  }

  async #endOnWindows(): Promise<void> {
    if (this.#rootEndTicks !== undefined) return;
    await new Promise<void>((resolve) => {
      execFile("taskkill", ["/pid", String(this.#root), "/t", "/f"], { windowsHide: true }, () => resolve());
    });
  }
}

/** False when there is nobody to signal, or nobody we may signal. */
function trySignal(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}
