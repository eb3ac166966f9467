// Fills windows from the store: demand classes, and ready steps that no event told of. The scan is the truth; wake-ups only
// hurry it. Not here: when to look (upkeep.ts), and what is in a window (window.ts).
import type { OrgId } from "../domain/id.ts";
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
      for (const orgId of orgs) {
        await this.#load(orgId);
        windows.doubt(orgId);
      }
    } catch (error) {
      log("look.failed", { error: String(error) });
    }
    const wanted = new Set(orgs);
    for (const taker of takers.all()) if (wanted.has(taker.executor.orgId)) this.refillSoon(taker);
  }

  /** All windows that somebody could take from, and classes that another server's commit brought or whose news was lost. */
  async fillAll(): Promise<void> {
    const { takers, windows } = this.#o;
    for (const orgId of takers.orgs()) await this.#load(orgId);
    for (const taker of takers.all())
      if (taker.credit > 0) for (const window of taker.windows(windows)) this.#want(window);
    await this.#refill();
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
