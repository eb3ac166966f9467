// Makes batches as soon as a writer is free, runs them, and hands their results on after the commit. Not here: what the
// results set in motion (aftermath), the windows and takers themselves.
import type { OrgId, PlanId, PlanRef, SessionId } from "../domain/id.ts";
import type { LeaseRef } from "../domain/outcome.ts";
import { refusal } from "../domain/refusal.ts";
import { BatchRejectedError } from "../store/ports/batches.ts";
import type { BatchInput, BatchKey, BatchPlan, BatchStore } from "../store/ports/batches.ts";
import { CommitUnknownError, StoreUnavailableError } from "../store/ports/store.ts";
import type { DecideContext } from "../domain/plan/draft.ts";
import { decideShare } from "./decide-batch.ts";
import type { PlanResult } from "./decide-batch.ts";
import { ClaimPicker } from "./claim-picker.ts";
import { refuseItem, rowsOf } from "./items.ts";
import type { Item } from "./items.ts";
import { ItemQueue, ORG_LIMIT } from "./queue.ts";
import type { Taker, Takers } from "./takers.ts";
import type { Windows } from "./windows.ts";

/** Items of a batch: above this the event loop's delay breaks its bound. */
export const BATCH_ITEMS = 128;
/** Deferrals after which an item's plan gets a batch of its own that waits for the lock. */
const DEFERRALS = 2;

const FULL = refusal("OVERLOADED", "Too many outcomes of this org are waiting.", {
  metadata: { limit: String(ORG_LIMIT) },
  retryAfterMs: 1_000,
});

export interface BatcherOptions {
  readonly store: BatchStore;
  readonly writers: number;
  readonly windows: Windows;
  readonly takers: Takers;
  readonly session: { readonly id: SessionId; mayCommit(): boolean };
  readonly contextAt: (nowMs: number) => DecideContext;
  /** A taker with credit found its windows empty. */
  readonly hungry: (taker: Taker) => void;
  /** Called after the commit, with what each plan came to and the inputs of leased steps. Must not throw. */
  readonly aftermath: (results: readonly PlanResult[], inputs: ReadonlyMap<string, BatchInput>, nowMs: number) => void;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #queue = new ItemQueue();
  readonly #picker: ClaimPicker;
  readonly #busy = new Set<PlanId>();
  #running = 0;
  #scheduled = false;
  #stopping = false;
  #pausedUntil: NodeJS.Timeout | undefined;
  #outages = 0;
  #idle: (() => void)[] = [];

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#picker = new ClaimPicker(options);
  }

  /** Queues an item; a full queue refuses it at once. */
  push(item: Item): void {
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
    return this.#queue.size;
  }

  /** Something may be possible now: items came, credit or ready steps. Coalesced to one look per turn of the event loop. */
  poke(): void {
    if (this.#scheduled || this.#pausedUntil !== undefined) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#pump();
    });
  }

  /** No new claims; resolves when all items are through. */
  async drain(): Promise<void> {
    this.#stopping = true;
    this.poke();
    while (this.#running > 0 || (this.#queue.size > 0 && !this.storeIsAway)) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
        this.poke();
      });
    }
    clearTimeout(this.#pausedUntil);
    for (const item of this.#queue.drain()) refuseItem(item, refusal("DRAINING", "The server is going down."));
  }

  #pump(): void {
    while (this.#running < this.#options.writers && this.#options.session.mayCommit()) {
      const items = this.#queue.take(BATCH_ITEMS, this.#busy);
      if (!this.#stopping) items.push(...this.#picker.pick(BATCH_ITEMS - items.length, this.#busy));
      if (items.length === 0) break;
      void this.#carryOut(items, false);
    }
    if (this.#running === 0) {
      const idle = this.#idle;
      this.#idle = [];
      for (const resolve of idle) resolve();
    }
  }

  async #carryOut(items: readonly Item[], wait: boolean): Promise<void> {
    const byPlan = new Map<string, Item[]>();
    for (const item of items) {
      const list = byPlan.get(planKey(item));
      if (list === undefined) byPlan.set(planKey(item), [item]);
      else list.push(item);
    }
    for (const item of items) this.#busy.add(item.planId);
    this.#running += 1;
    const results = new Map<PlanId, PlanResult>();
    try {
      await this.#run(byPlan, results, wait);
    } catch (error) {
      const handovers = handoversOf(results);
      // Whether they are leased is as unknown as the commit: they are asked for again and adopted. Otherwise they never were.
      if (error instanceof CommitUnknownError) items = [...items, ...handovers];
      else for (const { taker } of handovers) taker.release();
      this.#afterTrouble(error, items);
    } finally {
      this.#running -= 1;
      for (const item of items) this.#busy.delete(item.planId);
      this.poke();
    }
  }

  async #run(
    byPlan: ReadonlyMap<string, readonly Item[]>,
    results: Map<PlanId, PlanResult>,
    wait: boolean,
  ): Promise<void> {
    const { store, session, windows, takers, contextAt } = this.#options;
    const room = { left: BATCH_ITEMS };
    let context: DecideContext | undefined;
    const turns = new Map<OrgId, readonly Taker[]>();
    const answer = await store.run(
      plansOf(byPlan),
      (slice, nowMs) => {
        const { planId, orgId } = slice.plan;
        if (context?.nowMs !== nowMs) context = contextAt(nowMs);
        let turn = turns.get(orgId);
        if (turn === undefined) {
          turn = this.#stopping ? [] : takers.inTurn(orgId);
          turns.set(orgId, turn);
        }
        const { verdict, result } = decideShare(
          slice,
          byPlan.get(planKey(slice.plan)) ?? [],
          { context, sessionId: session.id, windows, takers: turn, room },
          results.get(planId),
        );
        if (result === undefined) results.delete(planId);
        else results.set(planId, result);
        return verdict;
      },
      { wait, keys: () => keysOf(byPlan, results) },
    );
    this.#outages = 0;
    this.#options.aftermath([...results.values()], answer.inputs, answer.nowMs);
    for (const plan of answer.missing) {
      for (const item of byPlan.get(planKey(plan)) ?? [])
        refuseItem(
          item,
          refusal("NOT_FOUND", "There is no such plan.", { metadata: { kind: "plan", id: plan.planId } }),
        );
    }
    for (const plan of answer.skipped) this.#defer(byPlan.get(planKey(plan)) ?? []);
  }

  /** The plan is held by another transaction: twice put back, then a batch of its own that waits. */
  #defer(items: readonly Item[]): void {
    const patient = items.filter((item) => {
      if (item.kind === "claim") {
        // Another server or an operation works on the plan; the step is tried again, if it stays ready.
        this.#letGo(item);
        return false;
      }
      item.deferrals += 1;
      return true;
    });
    if (patient.length === 0) return;
    if (patient.some((item) => item.deferrals > DEFERRALS)) setImmediate(() => void this.#carryOut(patient, true));
    else this.#queue.unshift(patient);
  }

  #afterTrouble(error: unknown, items: readonly Item[]): void {
    if (error instanceof CommitUnknownError) {
      this.#options.log("batch.commit_unknown", { items: items.length });
      for (const item of items) item.again = true;
      this.#pause(items);
    } else if (error instanceof StoreUnavailableError) {
      this.#pause(items);
    } else if (items.length > 1) {
      // One of them is poison: halves find it in a few rounds.
      this.#options.log("batch.bisected", {
        items: items.length,
        rejected: error instanceof BatchRejectedError,
        error: String(error),
      });
      const middle = items.length >> 1;
      void this.#inTurn([items.slice(0, middle), items.slice(middle)]);
    } else {
      for (const item of items) {
        this.#options.log("item.set_aside", {
          kind: item.kind,
          plan: item.planId,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        });
        refuseItem(
          item,
          refusal("INVALID_REQUEST", "This could not be carried out; it was set aside and logged.", {
            stage: "INVOKE",
            rule: "internal",
          }),
        );
      }
    }
  }

  async #inTurn(halves: readonly (readonly Item[])[]): Promise<void> {
    for (const half of halves) if (half.length > 0) await this.#carryOut(half, true);
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
    this.#pausedUntil = setTimeout(() => {
      this.#pausedUntil = undefined;
      this.poke();
    }, waitMs);
  }
}

/** What a batch that failed had handed over on its own account, as claims. */
function handoversOf(results: ReadonlyMap<PlanId, PlanResult>): Extract<Item, { kind: "claim" }>[] {
  return [...results.values()].flatMap(({ plan, effects }) =>
    effects.flatMap((effect) =>
      effect.kind === "leased" && effect.handedOver
        ? [
            {
              kind: "claim" as const,
              orgId: plan.orgId,
              planId: plan.planId,
              deferrals: 0,
              ordinal: effect.row.ordinal,
              taker: effect.taker,
              handover: false,
            },
          ]
        : [],
    ),
  );
}

/** Idempotency keys of the calls whose effects the batch carries. */
function keysOf(
  byPlan: ReadonlyMap<string, readonly Item[]>,
  results: ReadonlyMap<PlanId, PlanResult>,
): readonly BatchKey[] {
  const keys: BatchKey[] = [];
  const leased = new Map<Taker, LeaseRef[]>();
  for (const { effects } of results.values()) {
    for (const effect of effects) {
      if (effect.kind !== "leased" || effect.taker.keyFor === null) continue;
      const list = leased.get(effect.taker) ?? [];
      list.push({
        planId: effect.row.planId,
        step: effect.row.key,
        ordinal: effect.row.ordinal,
        fencing: effect.row.fencing,
      });
      leased.set(effect.taker, list);
    }
  }
  for (const [taker, leases] of leased) if (taker.keyFor !== null) keys.push(taker.keyFor(leases));
  const seen = new Set<string>();
  for (const items of byPlan.values()) {
    for (const item of items) {
      if (item.kind !== "outcome" || item.key === undefined) continue;
      const { orgId, principal, key } = item.key.call;
      const id = `${orgId}/${principal}/${key}`;
      if (!seen.has(id)) keys.push(item.key);
      seen.add(id);
    }
  }
  return keys;
}

/** Org and plan: an id that another org names must never meet the plan's own items. */
function planKey(plan: PlanRef): string {
  return `${plan.orgId}/${plan.planId}`;
}

function plansOf(byPlan: ReadonlyMap<string, readonly Item[]>): readonly BatchPlan[] {
  const plans: BatchPlan[] = [];
  for (const items of byPlan.values()) {
    const [first] = items;
    if (first === undefined) continue;
    const rows = items.map(rowsOf);
    plans.push({
      orgId: first.orgId,
      planId: first.planId,
      ordinals: [...new Set(rows.flatMap((r) => r.ordinals))],
      childrenOf: [...new Set(rows.flatMap((r) => r.childrenOf))],
    });
  }
  return plans;
}
