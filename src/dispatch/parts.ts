// What the rooms of dispatch share: one set per server process. Not here: what they do with it.
import { payloadText } from "../domain/payload.ts";
import type { Executor } from "../domain/executor.ts";
import type { ExecutorId, IdMaker, OrgId } from "../domain/id.ts";
import type { Outcome, Receipt } from "../domain/outcome.ts";
import type { Decision } from "../domain/refusal.ts";
import type { BatchKey } from "../store/ports/batches.ts";
import type { Store } from "../store/ports/store.ts";
import type { Clock } from "../support/clock.ts";
import type { Random } from "../support/random.ts";
import type { Timers } from "../support/timers.ts";
import type { Batcher } from "./batcher.ts";
import type { Gatekeeper, RenewalReport, Reporter } from "./dispatcher.ts";
import type { LeaseTable } from "./leases.ts";
import type { Listeners, Logs } from "./listeners.ts";
import type { Renewed, ServerSession } from "./session.ts";
import type { Takers } from "./takers.ts";
import type { DispatchUpkeep } from "./upkeep.ts";
import type { WindowFeed } from "./window-feed.ts";
import type { Windows } from "./windows.ts";

export interface DispatcherOptions {
  readonly store: Store;
  readonly session: ServerSession;
  readonly storeEpoch: number;
  readonly clock: Clock;
  readonly ids: IdMaker;
  readonly random: Random;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Batches under way at once. */
  readonly writers?: number;
  /** Performs gate steps; without one, this server leaves them to others. */
  readonly gatekeeper?: Gatekeeper;
  /** Hears each renewal of the session. */
  readonly renewed?: (news: Renewed) => void;
  /** The event loop's, unless given. */
  readonly timers?: Timers;
}

export interface Parts {
  readonly options: DispatcherOptions;
  readonly timers: Timers;
  readonly windows: Windows;
  readonly takers: Takers;
  readonly leases: LeaseTable;
  readonly listeners: Listeners;
  readonly logs: Logs;
  readonly batcher: Batcher;
  readonly upkeep: DispatchUpkeep;
  readonly feed: WindowFeed;
  readonly executors: ExecutorBook;
  /** Set when the server goes down: nothing new is begun. */
  draining: boolean;
}

/** Checkpoints of an attempt are written at most this often. */
const CHECKPOINT_EVERY_MS = 10_000;

/** Queues an outcome with the last lines of its attempt. */
export function pushOutcome(
  parts: Parts,
  by: Reporter,
  executorId: ExecutorId,
  outcome: Outcome,
  key: BatchKey | undefined,
  done: (result: Decision<Receipt>) => void,
): void {
  const { planId, ordinal, fencing } = outcome.lease;
  const logTail = outcome.logTail === "" ? parts.logs.tail(planId, ordinal, fencing) : outcome.logTail;
  const whole = logTail === outcome.logTail ? outcome : { ...outcome, logTail };
  parts.batcher.push({
    kind: "outcome",
    orgId: by.principal.orgId,
    planId,
    deferrals: 0,
    outcome: whole,
    executorId,
    actor: by.principal.name,
    stages: by.stages,
    key,
    done,
  });
}

/** Takes a sign of life of an attempt: lines and progress for watchers, a checkpoint for the next attempt. */
export function takeProgress(parts: Parts, orgId: OrgId, executorId: ExecutorId, renewal: RenewalReport): void {
  const { planId, ordinal, fencing, step } = renewal.lease;
  const entry = parts.leases.get(planId, ordinal, fencing);
  if (entry?.orgId !== orgId || entry.executorId !== executorId || entry.lease.step !== step) return;
  if (renewal.lines.length > 0) parts.logs.append(planId, ordinal, fencing, renewal.lines);
  if (parts.listeners.has(planId)) {
    parts.listeners.passing(orgId, {
      planId,
      after: 0,
      atMs: parts.options.clock.nowMs(),
      kind: renewal.lines.length > 0 ? "step.log" : "step.progress",
      step,
      ordinal,
      attempt: entry.attempt,
      executorId,
      fencing,
      message: renewal.message,
      progress: renewal.progress,
      lines: renewal.lines,
    });
  }
  if (renewal.checkpoint !== null && entry.leaseUntilMs === null) {
    entry.pendingCheckpoint = payloadText(renewal.checkpoint);
    const nowMs = parts.options.clock.monotonicMs();
    if (nowMs - entry.checkpointMs >= CHECKPOINT_EVERY_MS || entry.checkpointMs === 0)
      parts.upkeep.writeCheckpoint(entry);
  }
}

/** How long a call believes what it read of an executor, unless it hears of a change. */
const EXECUTOR_LIFE_MS = 2_000;
const EXECUTORS_LIMIT = 10_000;
/** How often it is written that an executor called. */
const SEEN_EVERY_MS = 30_000;

/** Executors as the store has them, remembered for a moment: a call for steps is too frequent to ask each time. */
export class ExecutorBook {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #known = new Map<ExecutorId, { readonly executor: Executor; readonly atMs: number }>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async find(orgId: OrgId, executorId: ExecutorId): Promise<Executor | undefined> {
    const known = this.#known.get(executorId);
    const nowMs = this.#clock.monotonicMs();
    if (known?.executor.orgId === orgId && nowMs - known.atMs < EXECUTOR_LIFE_MS) return known.executor;
    const executor = await this.#store.transaction([orgId], async (tx) => await tx.executors.find(orgId, executorId), {
      readOnly: true,
    });
    if (executor === undefined) this.#known.delete(executorId);
    else {
      if (this.#known.size >= EXECUTORS_LIMIT) this.#known.clear();
      this.#known.set(executorId, { executor, atMs: nowMs });
    }
    return executor;
  }

  /** It called: whoever asks why a step waits must know that it is there. Written rarely; a lost one is made up for by the next. */
  seen(executor: Executor): void {
    const { orgId, executorId, lastSeenMs } = executor;
    const nowMs = this.#clock.nowMs();
    if (nowMs - lastSeenMs < SEEN_EVERY_MS) return;
    const known = this.#known.get(executorId);
    if (known !== undefined) this.#known.set(executorId, { ...known, executor: { ...executor, lastSeenMs: nowMs } });
    this.#store
      .transaction([orgId], async (tx) => {
        await tx.executors.seen(orgId, executorId, await tx.nowMs());
      })
      .catch(() => undefined);
  }

  forget(executorId: ExecutorId): void {
    this.#known.delete(executorId);
  }
}
