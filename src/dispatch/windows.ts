// Windows: the first ready steps of each demand class, in memory, bounded. Not here: who takes them, see takers.ts.
import { canServe } from "../domain/executor.ts";
import type { Demand, Executor } from "../domain/executor.ts";
import type { DemandId, OrgId, PlanId, ReadyStep } from "../domain/id.ts";

/** Steps that a window holds at most; beyond that it knows that there is more. */
export const WINDOW_LIMIT = 4_096;

/** Ready steps of one demand class, smallest order key first (binary heap). */
export class Window {
  readonly orgId: OrgId;
  readonly demandId: DemandId;
  /** The store may hold ready steps that this window does not. */
  incomplete = true;
  /** When the store was last asked, by the monotonic clock. */
  refilledMs = Number.NEGATIVE_INFINITY;
  readonly #heap: ReadyStep[] = [];
  readonly #known = new Set<string>();

  constructor(orgId: OrgId, demandId: DemandId) {
    this.orgId = orgId;
    this.demandId = demandId;
  }

  get size(): number {
    return this.#heap.length;
  }

  head(): ReadyStep | undefined {
    return this.#heap[0];
  }

  /** Adds a step unless it is there; a full window drops it and remembers that there is more. */
  offer(step: ReadyStep): void {
    const key = entryKey(step.planId, step.ordinal);
    if (this.#known.has(key)) return;
    if (this.#heap.length >= WINDOW_LIMIT) {
      this.incomplete = true;
      return;
    }
    this.#known.add(key);
    this.#heap.push(step);
    this.#up(this.#heap.length - 1);
  }

  /** Takes the first step. */
  take(): ReadyStep | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first === undefined || last === undefined) return undefined;
    this.#known.delete(entryKey(first.planId, first.ordinal));
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down(0);
    }
    return first;
  }

  #up(start: number): void {
    let i = start;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(i, parent)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #down(start: number): void {
    let i = start;
    for (;;) {
      const left = 2 * i + 1;
      let least = i;
      if (left < this.#heap.length && this.#before(left, least)) least = left;
      if (left + 1 < this.#heap.length && this.#before(left + 1, least)) least = left + 1;
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #before(a: number, b: number): boolean {
    const x = this.#heap[a];
    const y = this.#heap[b];
    if (x === undefined || y === undefined) return false;
    return x.orderKey < y.orderKey || (x.orderKey === y.orderKey && x.planId < y.planId);
  }

  #swap(a: number, b: number): void {
    const x = this.#heap[a];
    const y = this.#heap[b];
    if (x === undefined || y === undefined) return;
    this.#heap[a] = y;
    this.#heap[b] = x;
  }
}

export function entryKey(planId: PlanId, ordinal: number): string {
  return `${planId}/${String(ordinal)}`;
}

/** All windows, with what their demand classes ask. */
export class Windows {
  readonly #windows = new Map<DemandId, Window>();
  readonly #demands = new Map<DemandId, Demand>();
  readonly #byOrg = new Map<OrgId, Set<DemandId>>();
  readonly #revisions = new Map<OrgId, number>();

  demand(demandId: DemandId): Demand | undefined {
    return this.#demands.get(demandId);
  }

  /** Learns demand classes of an org. */
  learn(demands: readonly Demand[]): void {
    for (const demand of demands) {
      // A window may be there before its class is known: it is the class that makes it servable.
      if (!this.#demands.has(demand.demandId)) this.#revisions.set(demand.orgId, this.revision(demand.orgId) + 1);
      this.#demands.set(demand.demandId, demand);
      this.#window(demand.orgId, demand.demandId);
    }
  }

  /** Offers ready steps; windows of demand classes that are not known yet are made, and named so that they can be learnt. */
  offer(steps: readonly ReadyStep[]): ReadonlySet<OrgId> {
    const unknown = new Set<OrgId>();
    for (const step of steps) {
      this.#window(step.orgId, step.demandId).offer(step);
      if (!this.#demands.has(step.demandId)) unknown.add(step.orgId);
    }
    return unknown;
  }

  /** Something may have become ready that no window was told of. */
  doubt(orgId: OrgId): void {
    for (const demandId of this.#byOrg.get(orgId) ?? []) {
      const window = this.#windows.get(demandId);
      if (window !== undefined) window.incomplete = true;
    }
  }

  get(demandId: DemandId): Window | undefined {
    return this.#windows.get(demandId);
  }

  /** Windows of an org that an executor can serve, restricted to capabilities when some are given. */
  servable(executor: Executor, capabilities: readonly string[]): readonly Window[] {
    const found: Window[] = [];
    for (const demandId of this.#byOrg.get(executor.orgId) ?? []) {
      const demand = this.#demands.get(demandId);
      const window = this.#windows.get(demandId);
      if (demand === undefined || window === undefined || !canServe(executor, demand)) continue;
      if (capabilities.length > 0 && !capabilities.includes(demand.capability)) continue;
      found.push(window);
    }
    return found;
  }

  /** Changes whenever a demand class of the org is learnt; takers cache what they can serve by it. */
  revision(orgId: OrgId): number {
    return this.#revisions.get(orgId) ?? 0;
  }

  #window(orgId: OrgId, demandId: DemandId): Window {
    const there = this.#windows.get(demandId);
    if (there !== undefined) return there;
    const window = new Window(orgId, demandId);
    this.#windows.set(demandId, window);
    const ids = this.#byOrg.get(orgId) ?? new Set();
    ids.add(demandId);
    this.#byOrg.set(orgId, ids);
    return window;
  }
}
