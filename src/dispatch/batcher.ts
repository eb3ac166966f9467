// Makes batches as soon as a writer is free, runs them, and hands their results on after the commit. Not here: what the
// results set in motion (aftermath), the windows and takers themselves.
import type { OrgId, PlanId, SessionId } from "../domain/id.ts";
import { refusal } from "../domain/refusal.ts";
import { BatchContendedError, BatchKeyTakenError, BatchRejectedError } from "../store/ports/batches.ts";
import type { BatchInput, BatchStore } from "../store/ports/batches.ts";
import { CommitUnknownError, StoreUnavailableError } from "../store/ports/store.ts";
import type { DecideContext } from "../domain/plan/draft.ts";
import { decideShare } from "./decide-batch.ts";
import type { PlanResult } from "./decide-batch.ts";
import { ClaimPicker } from "./claim-picker.ts";
import { BUG, ordinalOf, refuseItem } from "./items.ts";
import type { Item } from "./items.ts";
import { FreedSlots } from "./freed-slots.ts";
import type { LeaseTable } from "./leases.ts";
import { ItemQueue, ORG_LIMIT } from "./queue.ts";
import { SetAside } from "./set-aside.ts";
import { byPlanOf, handoversOf, keysOf, planKey, plansOf } from "./shares.ts";
import type { Taker, Takers } from "./takers.ts";
import type { Clock } from "../support/clock.ts";
import { systemTimers } from "../support/timers.ts";
import type { Timer, Timers } from "../support/timers.ts";
import type { Windows } from "./windows.ts";

/** Items of a batch: above this the event loop's delay breaks its bound. */
export const BATCH_ITEMS = 128;
/**
 * Items that are worth a batch beside one that is under way: a batch costs as much as some ten items, so fewer of them wait for
 * its end and go together.
 */
const BESIDE_ITEMS = 16;
/** Nothing waits longer than this for another batch while a writer is free, ms. */
const BESIDE_MS = 4;
/** Deferrals after which an item's plan gets a batch of its own that waits for the lock. */
const DEFERRALS = 2;

const FULL = refusal("OVERLOADED", "Too many outcomes of this org are waiting.", {
  metadata: { limit: String(ORG_LIMIT) },
  retryAfterMs: 1_000,
});

const GOING_DOWN = refusal("DRAINING", "The server is going down.");

/** Items that make a batch together and with no others. */
interface OwnBatch {
  readonly items: readonly Item[];
  /** Waits for the locks of its plans. */
  readonly wait: boolean;
  /** Hands nothing over: when it fails, it is an item of its own that fails. */
  readonly plain: boolean;
}

export interface BatcherOptions {
  readonly store: BatchStore;
  readonly writers: number;
  readonly windows: Windows;
  readonly takers: Takers;
  readonly leases: Pick<LeaseTable, "get">;
  readonly session: { readonly id: SessionId; mayCommit(): boolean };
  readonly clock: Pick<Clock, "monotonicMs">;
  /** The event loop's, unless given. */
  readonly timers?: Timers;
  readonly contextAt: (nowMs: number) => DecideContext;
  /** A taker with credit found its windows empty. */
  readonly hungry: (taker: Taker) => void;
  /** Called after the commit, with what each plan came to and the inputs of leased steps. Must not throw. */
  readonly aftermath: (results: readonly PlanResult[], inputs: ReadonlyMap<string, BatchInput>, nowMs: number) => void;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #timers: Timers;
  readonly #queue = new ItemQueue();
  readonly #picker: ClaimPicker;
  readonly #busy = new Set<PlanId>();
  readonly #aside: SetAside;
  readonly #own: OwnBatch[] = [];
  #running = 0;
  /** Of those, the ones that wait for locks. */
  #waitingForLocks = 0;
  #scheduled = false;
  #stopping = false;
  #drained = false;
  #pausedUntil: Timer | undefined;
  /** When the last batch began, by the monotonic clock. */
  #begunMs = 0;
  /** Looks again once enough time has passed for a batch beside it. */
  #beside: Timer | undefined;
  #outages = 0;
  #idle: (() => void)[] = [];

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#timers = options.timers ?? systemTimers;
    this.#aside = new SetAside(options.clock);
    this.#picker = new ClaimPicker({ ...options, isAside: this.isAside });
  }

  /** A claim of this step is a bug: not now. */
  readonly isAside = (planId: PlanId, ordinal: number): boolean => this.#aside.has("claim", planId, ordinal);

  /** Queues an item; a full queue refuses it at once, and so does one that is drained. */
  push(item: Item): void {
    if (this.#drained || this.#aside.holds(item)) {
      refuseItem(item, this.#drained ? GOING_DOWN : BUG);
      return;
    }
    if (!this.#queue.push(item)) {
      refuseItem(item, FULL);
      return;
    }
    this.poke();
  }

  /** Whether the store answers. */
  get storeIsAway(): boolean {
    return this.#outages > 0;
  }

  /** The store answered somebody else: without this, a server whose items were all refused would never ask it again. */
  storeAnswers(): void {
    if (this.#pausedUntil === undefined) this.#outages = 0;
  }

  get waiting(): number {
    return this.#own.reduce((sum, own) => sum + own.items.length, this.#queue.size);
  }

  /** Something may be possible now: items came, credit or ready steps. Coalesced to one look per turn of the event loop. */
  poke(): void {
    if (this.#scheduled || this.#pausedUntil !== undefined) return;
    this.#scheduled = true;
    this.#timers.soon(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** No new claims; resolves when all items are through, or cannot get through. */
  async drain(): Promise<void> {
    this.#stopping = true;
    this.poke();
    while (this.#running > 0 || (this.waiting > 0 && !this.storeIsAway && this.#options.session.mayCommit())) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
        this.poke();
      });
    }
    this.#pausedUntil?.cancel();
    this.#pausedUntil = undefined;
    this.#drained = true;
    const left = this.#own.splice(0).flatMap((own) => own.items);
    for (const item of [...left, ...this.#queue.drain()]) refuseItem(item, GOING_DOWN);
  }

  #pump(): void {
    while (this.#running < this.#options.writers && this.#options.session.mayCommit()) {
      const next = this.#nextOwn() ?? (this.#isWorthIt() ? this.#nextMixed() : undefined);
      if (next === undefined) break;
      void this.#carryOut(next);
    }
    if (this.#running === 0) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
  }

  /** The first batch of its own whose plans are in no batch; one writer at least is kept from waiting for locks. */
  #nextOwn(): OwnBatch | undefined {
    if (this.#own.length === 0) return undefined;
    const passed = new Set(this.#busy);
    const mayWait = this.#waitingForLocks < Math.max(1, this.#options.writers - 1);
    for (const [i, own] of this.#own.entries()) {
      if ((mayWait || !own.wait) && own.items.every((item) => !passed.has(item.planId))) {
        this.#own.splice(i, 1);
        return own;
      }
      for (const item of own.items) passed.add(item.planId);
    }
    return undefined;
  }

  /** At once where no other batch is under way; beside one, when many items have come together or some time has passed. */
  #isWorthIt(): boolean {
    if (this.#running === this.#waitingForLocks || this.#queue.size >= BESIDE_ITEMS) return true;
    const leftMs = this.#begunMs + BESIDE_MS - this.#options.clock.monotonicMs();
    if (leftMs <= 0) return true;
    this.#beside ??= this.#timers.after(leftMs, () => {
      this.#beside = undefined;
      this.poke();
    });
    return false;
  }

  #nextMixed(): OwnBatch | undefined {
    // Items of a plan keep their order: what came later stays behind its batch of its own.
    const busy =
      this.#own.length === 0
        ? this.#busy
        : new Set([...this.#busy, ...this.#own.flatMap((own) => own.items.map((item) => item.planId))]);
    const items = this.#queue.take(BATCH_ITEMS, busy);
    if (!this.#stopping) items.push(...this.#picker.pick(BATCH_ITEMS - items.length, busy));
    return items.length === 0 ? undefined : { items, wait: false, plain: false };
  }

  async #carryOut(own: OwnBatch): Promise<void> {
    let { items } = own;
    for (const item of items) this.#busy.add(item.planId);
    this.#running += 1;
    this.#begunMs = this.#options.clock.monotonicMs();
    if (own.wait) this.#waitingForLocks += 1;
    const results = new Map<PlanId, PlanResult>();
    try {
      await this.#run(own, results);
    } catch (error) {
      const handovers = handoversOf(results);
      // Whether they are leased is as unknown as the commit: they are asked for again and adopted. Otherwise they never were.
      if (error instanceof CommitUnknownError) items = [...items, ...handovers];
      else for (const { taker } of handovers) taker.release();
      this.#afterTrouble(error, { ...own, items }, handovers);
    } finally {
      this.#running -= 1;
      if (own.wait) this.#waitingForLocks -= 1;
      for (const item of items) this.#busy.delete(item.planId);
      this.poke();
    }
  }

  async #run({ items, wait, plain }: OwnBatch, results: Map<PlanId, PlanResult>): Promise<void> {
    const { store, session, windows, takers, leases, contextAt } = this.#options;
    const byPlan = byPlanOf(items);
    const room = { left: BATCH_ITEMS };
    const freed = new FreedSlots();
    let context: DecideContext | undefined;
    const turns = new Map<OrgId, readonly Taker[]>();
    const answer = await store.run(
      plansOf(byPlan),
      (slice, nowMs) => {
        const { planId, orgId } = slice.plan;
        if (context?.nowMs !== nowMs) context = contextAt(nowMs);
        let turn = turns.get(orgId);
        if (turn === undefined) {
          turn = this.#stopping || plain ? [] : takers.inTurn(orgId);
          turns.set(orgId, turn);
        }
        const previous = results.get(planId);
        // What it took is given back; a decision that throws must not leave it to be given back again.
        results.delete(planId);
        const { verdict, result } = decideShare(
          slice,
          byPlan.get(planKey(slice.plan)) ?? [],
          { context, sessionId: session.id, windows, takers: turn, isAside: this.isAside, leases, freed, room },
          previous,
        );
        if (result !== undefined) results.set(planId, result);
        return verdict;
      },
      { wait, keys: () => keysOf(byPlan, results) },
    );
    this.#outages = 0;
    this.#options.aftermath([...results.values()], answer.inputs, answer.nowMs);
    for (const plan of answer.missing) {
      const no = refusal("NOT_FOUND", "There is no such plan.", { metadata: { kind: "plan", id: plan.planId } });
      for (const item of byPlan.get(planKey(plan)) ?? []) refuseItem(item, no);
    }
    for (const plan of answer.skipped) this.#defer(byPlan.get(planKey(plan)) ?? []);
  }

  /** The plan is held by another transaction: twice put back, then a batch of its own that waits. */
  #defer(items: readonly Item[]): void {
    const patient = items.filter((item) => {
      if (item.kind === "claim" && item.again !== true) {
        // Another server or an operation works on the plan; the step is tried again, if it stays ready. A claim that is made again
        // may be a lease already, which nobody would know of.
        this.#letGo(item);
        return false;
      }
      item.deferrals += 1;
      return true;
    });
    if (patient.length === 0) return;
    if (patient.some((item) => item.deferrals > DEFERRALS))
      this.#own.push({ items: patient, wait: true, plain: false });
    else this.#queue.unshift(patient);
  }

  #afterTrouble(error: unknown, own: OwnBatch, handovers: ReturnType<typeof handoversOf>): void {
    const { items } = own;
    if (error instanceof CommitUnknownError) {
      this.#options.log("batch.commit_unknown", { items: items.length });
      for (const item of items) item.again = true;
      this.#pause(items);
    } else if (error instanceof StoreUnavailableError) {
      if (this.#outages === 0) this.#options.log("store.away", { error: error.message });
      this.#pause(items);
    } else if (error instanceof BatchContendedError) {
      this.#options.log("batch.contended", { items: items.length, error: error.message });
      for (const share of byPlanOf(items).values()) this.#defer(share);
    } else if (error instanceof BatchKeyTakenError) {
      // Nobody's fault, and no step's: the calls with keys look what became of theirs, and the rest goes on without them.
      const claims = items.flatMap((item) => (item.kind === "claim" && item.taker.keyFor !== null ? [item] : []));
      for (const claim of claims) this.#letGo(claim);
      for (const { taker } of [...claims, ...handovers]) if (taker.keyFor !== null) taker.keyIsDoubtful();
      const rest = items.filter((item) => item.kind !== "claim" || item.taker.keyFor === null);
      if (rest.length > 0) this.#own.push({ items: rest, wait: own.wait, plain: true });
    } else if (items.length > 1) {
      // One of them is poison: halves find it in a few rounds.
      this.#options.log("batch.bisected", {
        items: items.length,
        rejected: error instanceof BatchRejectedError,
        error: String(error),
      });
      const middle = items.length >> 1;
      for (const half of [items.slice(0, middle), items.slice(middle)])
        this.#own.push({ items: half, wait: false, plain: true });
    } else if (!own.plain) {
      // Or what was handed over with it.
      this.#own.push({ items, wait: own.wait, plain: true });
    } else for (const item of items) this.#setAside(item, error);
  }

  #setAside(item: Item, error: unknown): void {
    this.#options.log("item.set_aside", {
      kind: item.kind,
      plan: item.planId,
      step: ordinalOf(item),
      forMs: this.#aside.add(item),
      error: error instanceof Error ? (error.stack ?? error.message) : String(error),
    });
    refuseItem(item, BUG);
  }

  /** A claim that came to nothing for no fault of the step: it goes back to its window. */
  #letGo(item: Extract<Item, { kind: "claim" }>): void {
    item.taker.release();
    if (item.from !== undefined) this.#options.windows.offer([item.from]);
  }

  /** The store is away: claims go back, the rest waits; callers give up by their own time limits. */
  #pause(items: readonly Item[]): void {
    const kept = items.filter((item) => {
      if (item.kind !== "claim" || item.again === true) return true;
      this.#letGo(item);
      return false;
    });
    this.#queue.unshift(kept);
    this.#outages += 1;
    if (this.#pausedUntil !== undefined) return;
    const waitMs = Math.min(1_000, 50 * 2 ** Math.min(this.#outages, 5));
    this.#pausedUntil = this.#timers.after(waitMs, () => {
      this.#pausedUntil = undefined;
      this.poke();
    });
  }
}
