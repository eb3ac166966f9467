// Fills windows from the store: demand classes, and ready steps that no event told of. The scan is the truth; wake-ups only
// hurry it. Not here: when to look (upkeep.ts), and what is in a window (window.ts).
import type { DemandId, OrgId } from "../domain/id.ts";
import type { Store } from "../store/ports/store.ts";
import type { Clock } from "../support/clock.ts";
import type { Taker, Takers } from "./takers.ts";
import { WINDOW_LIMIT } from "./window.ts";
import type { Window } from "./window.ts";
import type { Windows } from "./windows.ts";

export interface WindowFeedOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly windows: Windows;
  readonly takers: Takers;
  /** Windows may hold something now. */
  readonly poke: () => void;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** Ready steps that one scan brings for a window. */
const STEPS_EACH = 2_048;
/** Windows that one scan fills. */
const WINDOWS_EACH = 64;

export class WindowFeed {
  readonly #o: WindowFeedOptions;
  readonly #demands = new Map<OrgId, Promise<void>>();
  readonly #hungry = new Set<Window>();
  #refilling = false;
  #stopped = false;

  constructor(options: WindowFeedOptions) {
    this.#o = options;
  }

  /** A scan is under way. */
  get isBusy(): boolean {
    return this.#refilling;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Loads the demand classes of an org once; later ones come with the steps that need them. */
  async demandsOf(orgId: OrgId): Promise<void> {
    let loading = this.#demands.get(orgId);
    if (loading === undefined) {
      loading = this.#load(orgId);
      this.#demands.set(orgId, loading);
      loading.catch(() => {
        this.#demands.delete(orgId);
      });
    }
    await loading;
  }

  learnDemands(orgs: ReadonlySet<OrgId>): void {
    for (const orgId of orgs) this.#load(orgId).then(this.#o.poke, () => undefined);
  }

  /** The windows of a taker are filled as soon as possible, those that may lack something. */
  refillSoon(taker: Taker): void {
    for (const window of taker.windows(this.#o.windows)) if (window.incomplete) this.#want(window);
    if (this.#hungry.size > 0) void this.#refill();
  }

  /** Ready steps of these orgs that nobody told of, of demand classes that may be new. */
  async scan(orgs: readonly OrgId[]): Promise<void> {
    const { takers, windows, log } = this.#o;
    try {
      for (const orgId of orgs) await this.#load(orgId);
    } catch (error) {
      log("look.failed", { error: String(error) });
    }
    // In one turn: what is doubted is asked for before anything else is heard of it.
    for (const orgId of orgs) windows.doubt(orgId);
    const wanted = new Set(orgs);
    for (const taker of takers.all()) if (wanted.has(taker.executor.orgId)) this.refillSoon(taker);
  }

  /** Whose windows somebody could take from. */
  orgs(): readonly OrgId[] {
    return this.#o.takers.orgs();
  }

  /**
   * Fills the windows that somebody could take from. Only these demand classes had ready steps, by a look that began then; some
   * may be of another server's making, and the news of others was lost.
   */
  async fill(ready: readonly { readonly orgId: OrgId; readonly demandId: DemandId }[], askedMs: number): Promise<void> {
    const { takers, windows } = this.#o;
    const unknown = ready.filter(({ demandId }) => windows.demand(demandId) === undefined);
    for (const orgId of new Set(unknown.map((one) => one.orgId))) await this.#load(orgId);
    const wanted = new Set(ready.map(({ demandId }) => demandId));
    for (const taker of takers.all()) {
      for (const window of taker.windows(windows)) {
        if (!wanted.has(window.demandId)) this.#nothingMore(window, askedMs);
        else if (taker.credit > 0) this.#want(window);
      }
    }
    await this.#refill();
  }

  /** The store had nothing for an empty window, which so holds everything, unless it was asked for again meanwhile. */
  #nothingMore(window: Window, askedMs: number): void {
    const askedSince = this.#refilling || this.#hungry.has(window) || window.refilledMs >= askedMs;
    if (window.size === 0 && !askedSince) window.incomplete = false;
  }

  #want(window: Window): void {
    if (window.size < WINDOW_LIMIT / 4) this.#hungry.add(window);
  }

  async #load(orgId: OrgId): Promise<void> {
    const { store, windows } = this.#o;
    windows.learn(
      await store.transaction([orgId], async (tx) => await tx.executors.demands(orgId), { readOnly: true }),
    );
  }

  async #refill(): Promise<void> {
    if (this.#refilling || this.#stopped) return;
    this.#refilling = true;
    try {
      while (this.#hungry.size > 0) {
        const windows = [...this.#hungry].slice(0, WINDOWS_EACH);
        for (const window of windows) this.#hungry.delete(window);
        const found = await this.#o.store.platform.readySteps(
          windows.map((w) => ({ orgId: w.orgId, demandId: w.demandId, afterKey: null })),
          STEPS_EACH,
        );
        const counts = new Map<string, number>();
        for (const step of found) counts.set(step.demandId, (counts.get(step.demandId) ?? 0) + 1);
        for (const window of windows) {
          window.incomplete = (counts.get(window.demandId) ?? 0) >= STEPS_EACH;
          window.refilledMs = this.#o.clock.monotonicMs();
        }
        this.#o.windows.offer(found);
        this.#o.poke();
      }
    } catch (error) {
      this.#o.log("refill.failed", { error: String(error) });
    } finally {
      this.#refilling = false;
    }
  }
}
