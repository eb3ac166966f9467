// The standing loops of dispatch: session, deadlines, silence, timers, sweeps of lapsed sessions. Each finds and moves
// everything that can move, whatever event was lost; one that finds nothing is one statement. Not here: what they move (items.ts),
// and filling windows (window-feed.ts).
import type { ExecutorId, OrgId, SessionId } from "../domain/id.ts";
import type { ErrorClass } from "../domain/outcome.ts";
import type { Due } from "../store/ports/platform.ts";
import { CommitUnknownError, StoreUnavailableError } from "../store/ports/store.ts";
import type { Store } from "../store/ports/store.ts";
import { alarmAt } from "../support/clock.ts";
import type { Clock } from "../support/clock.ts";
import { pause } from "../support/timers.ts";
import type { Timer, Timers } from "../support/timers.ts";
import type { Batcher } from "./batcher.ts";
import { HEARTBEAT_MS, SILENCE_MS } from "./connection.ts";
import type { ExecutorConnection } from "./connection.ts";
import { LeaseKeeper } from "./lease-keeper.ts";
import { NOT_RENEWED } from "./items.ts";
import type { LeaseEntry, LeaseTable } from "./leases.ts";
import { RENEW_EVERY_MS } from "./session.ts";
import type { Renewed, ServerSession } from "./session.ts";
import { sweepLapsed } from "./sweep.ts";
import type { WindowFeed } from "./window-feed.ts";

export interface UpkeepOptions {
  readonly store: Store;
  readonly session: ServerSession;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly feed: WindowFeed;
  readonly leases: LeaseTable;
  readonly batcher: Batcher;
  readonly connections: ReadonlyMap<ExecutorId, ExecutorConnection>;
  readonly loseConnection: (connection: ExecutorConnection, why: string) => void;
  /** The same for one whose reader does not keep up; it is told. */
  readonly loseSlow: (connection: ExecutorConnection) => void;
  /** Tells the executor of a lease that is over. */
  readonly stopLease: (entry: LeaseEntry, reason: string) => void;
  /** Executors are attaching to this server. */
  readonly isArriving: () => boolean;
  /** Hears each renewal's answer. */
  readonly renewed?: ((news: Renewed) => void) | undefined;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** How often leases' ends are looked at. */
const WATCH_MS = 250;
/** How often the store is asked for what no event told. */
const LOOK_MS = 5_000;
/**
 * A server sweeps lapsed sessions only after executors had time to attach to it: when it starts, and when its own session lapsed,
 * since whatever kept it from the store kept others from it too, and they come back as it does.
 */
export const SETTLE_MS = 6_000;
/** While they are still attaching they have more, up to this: thousands of them, or a machine that is slow just then, take longer. */
const ARRIVALS_MS = 30_000;
/** Clocks drift apart by less between two settings of the wall clock. */
const JUMP_MS = 1_000;
/** Shortest pause before timers are looked at again. */
const DUE_MS = 20;
/** Pause between looks at what was committed in this process. */
const LOOK_SOON_MS = 10;
/** Items that may wait before streams are held back. */
const WAITING_LIMIT = 5_000;
/** How long an executor has to stop an attempt. */
const STOP_GRACE_MS = 60_000;

export class DispatchUpkeep {
  readonly stopGraceMs = STOP_GRACE_MS;
  readonly #o: UpkeepOptions;
  readonly #keeper: LeaseKeeper;
  readonly #standing: Timer[] = [];
  #settlesMs = 0;
  #watchedMs = 0;
  /** How far the wall clock is ahead of the monotonic one. */
  #aheadMs = 0;
  #beatMs = 0;
  #looking = false;
  #sweeping = false;
  /** Sessions of which the last sweep left something, and when that was. */
  #swept: { readonly ids: ReadonlySet<SessionId>; readonly atMs: number } | undefined;
  #lookingSoon = false;
  #lookAgain = false;
  readonly #woken = new Set<OrgId>();
  #renewing = false;
  /** Executors that left, of whom the store still says that they are in a session of ours. */
  readonly #gone = new Map<ExecutorId, { readonly orgId: OrgId; readonly sessionId: SessionId }>();
  #stopped = false;
  #forgetDue: () => void = () => undefined;
  #pauseMs = DUE_MS;
  #firstDueMs = 0;
  #nextDueMs = Number.POSITIVE_INFINITY;

  constructor(options: UpkeepOptions) {
    this.#o = options;
    this.#keeper = new LeaseKeeper(options);
  }

  async start(): Promise<void> {
    const { clock, timers } = this.#o;
    this.#watchedMs = clock.monotonicMs();
    this.#settlesMs = this.#watchedMs + SETTLE_MS;
    this.#aheadMs = clock.nowMs() - this.#watchedMs;
    this.#standing.push(
      timers.every(RENEW_EVERY_MS, () => void this.#renew()),
      timers.every(WATCH_MS, () => {
        this.#watch();
      }),
      timers.every(LOOK_MS, () => void this.look()),
    );
    await this.look();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#o.feed.stop();
    for (const timer of this.#standing) timer.cancel();
    this.#forgetDue();
    while (this.#looking || this.#sweeping || this.#renewing || this.#o.feed.isBusy) await pause(this.#o.timers, 5);
    await this.#o.session.end().catch(() => undefined);
  }

  /** Something was committed elsewhere in this process: timers and cascades may be new, and ready steps of these orgs. */
  lookSoon(orgs: readonly OrgId[]): void {
    for (const orgId of orgs) this.#woken.add(orgId);
    this.#lookAgain = true;
    if (this.#lookingSoon) return;
    this.#lookingSoon = true;
    this.#o.timers.soon(() => void this.#lookNow());
  }

  /** One look for all that was committed while the last one ran. */
  async #lookNow(): Promise<void> {
    while (this.#lookAgain && !this.#stopped) {
      this.#lookAgain = false;
      const orgs = [...this.#woken];
      this.#woken.clear();
      await this.#o.feed.scan(orgs);
      await this.#dueAndCascades();
      await pause(this.#o.timers, LOOK_SOON_MS);
    }
    this.#lookingSoon = false;
  }

  /** A backoff was set that ends then. */
  expectTimer(dueMs: number): void {
    if (dueMs >= this.#nextDueMs || this.#stopped) return;
    this.#nextDueMs = dueMs;
    this.#forgetDue();
    this.#forgetDue = alarmAt(this.#o.clock, dueMs + 1, () => {
      this.#nextDueMs = Number.POSITIVE_INFINITY;
      void this.#dueAndCascades();
    });
  }

  /** Backpressure: resolves when outcomes can be taken again. */
  async room(): Promise<void> {
    while (this.#o.batcher.waiting > WAITING_LIMIT && !this.#stopped) await pause(this.#o.timers, 5);
  }

  loseLease(entry: LeaseEntry, message: string, errorClass: ErrorClass = "LOST"): void {
    this.#keeper.lose(entry, { errorClass, message, details: "" });
  }

  writeCheckpoint(entry: LeaseEntry): void {
    this.#keeper.writeCheckpoint(entry);
  }

  /** The grace of a broken stream is over: unless its executor attached again, its leases are lost. */
  graceOver(connection: ExecutorConnection, orgId: OrgId): void {
    const { executorId } = connection.executor;
    const { connections, leases, session } = this.#o;
    if (this.#stopped || connections.get(executorId) !== connection) return;
    for (const entry of leases.ofExecutor(executorId))
      if (entry.leaseUntilMs === null) this.loseLease(entry, "the executor went away");
    (connections as Map<ExecutorId, ExecutorConnection>).delete(executorId);
    this.#gone.set(executorId, { orgId, sessionId: connection.executor.sessionId ?? session.id });
    void this.#sayGone();
  }

  /** Writes of executors that left that they are in no session; what cannot be written is tried again with the next renewal. */
  async #sayGone(): Promise<void> {
    for (const [executorId, { orgId, sessionId }] of [...this.#gone]) {
      this.#gone.delete(executorId);
      if (this.#o.connections.has(executorId)) continue;
      try {
        await this.#o.store.transaction([orgId], async (tx) => {
          await tx.executors.setSession(orgId, executorId, null, sessionId, await tx.nowMs());
        });
      } catch (error) {
        if (!this.#gone.has(executorId)) this.#gone.set(executorId, { orgId, sessionId });
        this.#logTrouble("executor.still_in_session", error);
      }
    }
  }

  /** That the store is away is known; everything else is a bug that must be seen. */
  #logTrouble(event: string, error: unknown): void {
    if (error instanceof StoreUnavailableError || error instanceof CommitUnknownError) return;
    this.#o.log(event, { error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }

  async #renew(): Promise<void> {
    if (this.#renewing || this.#stopped) return;
    this.#renewing = true;
    try {
      const news = await this.#o.session.renew();
      if (news.anew) {
        this.#o.log("session.renewed_anew", { session: this.#o.session.id });
        this.#keeper.sessionIsNew();
        this.#settlesMs = this.#o.clock.monotonicMs() + SETTLE_MS;
      }
      this.#keeper.bringHome();
      this.#o.batcher.storeAnswers();
      this.#o.renewed?.(news);
      void this.#sweep(news.lapsed);
      await this.#sayGone();
    } catch (error) {
      // The session stops committing by itself, and the next tick tries again.
      this.#logTrouble("session.not_renewed", error);
    } finally {
      this.#renewing = false;
      this.#o.batcher.poke();
    }
  }

  #watch(): void {
    const { clock, leases, connections } = this.#o;
    const nowMs = clock.nowMs();
    const atMs = clock.monotonicMs();
    const stalled = atMs - this.#watchedMs > WATCH_MS * 4;
    this.#watchedMs = atMs;
    this.#noticeJump(nowMs - atMs);
    for (const entry of leases.all()) {
      if (entry.ending) continue;
      if (entry.overdue !== null) this.#keeper.lose(entry, entry.overdue);
      else if (entry.deadlineMs <= nowMs) {
        this.loseLease(entry, "the attempt took longer than it may", "TIMEOUT");
        this.#o.stopLease(entry, "its time is up");
      } else if (entry.leaseUntilMs !== null && entry.leaseUntilMs <= nowMs) this.loseLease(entry, NOT_RENEWED);
      else if (entry.stopBeforeMs !== null && entry.stopBeforeMs <= nowMs)
        this.loseLease(entry, "the executor did not stop in time");
      else if (entry.pendingCheckpoint !== null && atMs - entry.checkpointMs >= 10_000) this.writeCheckpoint(entry);
    }
    const beat = atMs - this.#beatMs >= HEARTBEAT_MS;
    if (beat) this.#beatMs = atMs;
    for (const connection of connections.values()) {
      if (connection.sink === null) continue;
      // After a stall of our own, messages may still lie unread in the sockets: silence is judged next time.
      if (!stalled && atMs - connection.heardMs > SILENCE_MS) {
        const { sink } = connection;
        this.#o.loseConnection(connection, "silent");
        sink.end(null, true);
      } else if (beat && !connection.sink.sendHeartbeat()) this.#o.loseSlow(connection);
    }
  }

  /** The wall clock was set, or the machine slept: the event loop's timers did not notice, and what is due now is looked for. */
  #noticeJump(aheadMs: number): void {
    if (Math.abs(aheadMs - this.#aheadMs) < JUMP_MS) return;
    this.#aheadMs = aheadMs;
    this.#forgetDue();
    this.#nextDueMs = Number.POSITIVE_INFINITY;
    void this.look();
  }

  /** Leases of servers that are gone; what a sweep left is not swept again at once, and a session that joins is. */
  async #sweep(lapsed: readonly SessionId[]): Promise<void> {
    const atMs = this.#o.clock.monotonicMs();
    if (lapsed.length === 0 || atMs < this.#settlesMs || this.#sweeping || this.#stopped) return;
    if (atMs < this.#settlesMs + ARRIVALS_MS && this.#o.isArriving()) return;
    const swept = this.#swept;
    if (swept !== undefined && atMs - swept.atMs < LOOK_MS && lapsed.every((id) => swept.ids.has(id))) return;
    this.#sweeping = true;
    try {
      const remains = await sweepLapsed(this.#o, lapsed);
      this.#swept = remains ? { ids: new Set(lapsed), atMs } : undefined;
    } catch (error) {
      this.#o.log("look.failed", { error: String(error) });
    } finally {
      this.#sweeping = false;
    }
  }

  /** Everything that waits in the store and that no event told of. */
  async look(): Promise<void> {
    if (this.#looking || this.#stopped) return;
    this.#looking = true;
    try {
      const askedMs = this.#o.clock.monotonicMs();
      const waiting = await this.#o.store.platform.waiting(this.#o.feed.orgs());
      for (const { orgId, planId } of waiting.overdue)
        this.#o.batcher.push({ kind: "overdue", orgId, planId, deferrals: 0 });
      await this.#o.feed.fill(waiting.ready, askedMs);
      await this.#bring(waiting);
    } catch (error) {
      this.#o.log("look.failed", { error: String(error) });
    } finally {
      this.#looking = false;
    }
  }

  async #dueAndCascades(): Promise<void> {
    if (this.#stopped) return;
    try {
      await this.#bring(await this.#o.store.platform.due());
    } catch (error) {
      this.#o.log("look.failed", { error: String(error) });
    }
  }

  async #bring({ timerMs, nowMs: storeMs, cascades }: Due): Promise<void> {
    const { platform } = this.#o.store;
    if (timerMs !== null && timerMs <= storeMs)
      for (const { orgId, planId, ordinal } of await platform.dueTimers(1_000))
        this.#o.batcher.push({ kind: "wake", orgId, planId, deferrals: 0, ordinal });
    if (cascades)
      for (const { orgId, planId } of await platform.openCascades(100))
        this.#o.batcher.push({ kind: "cascade", orgId, planId, deferrals: 0 });
    if (timerMs === null) return;
    // One that is due and stays due (its plan is locked, or it is set aside) is not asked for as fast as can be.
    const nowMs = this.#o.clock.nowMs();
    this.#pauseMs = timerMs === this.#firstDueMs ? Math.min(this.#pauseMs * 2, LOOK_MS) : DUE_MS;
    this.#firstDueMs = timerMs;
    this.expectTimer(Math.max(timerMs, nowMs + this.#pauseMs));
  }
}
