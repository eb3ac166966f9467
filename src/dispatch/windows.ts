// All windows, one for each demand class, with what their classes ask. Not here: one window (window.ts), who takes from it (takers.ts).
import { canServe } from "../domain/executor.ts";
import type { Demand, Executor } from "../domain/executor.ts";
import { GATEKEEPER, isReserved } from "../domain/gate.ts";
import type { DemandId, OrgId, ReadyStep } from "../domain/id.ts";
import { Window } from "./window.ts";

/** All windows, with what their demand classes ask. */
export class Windows {
  /** Hears which orgs have demand classes of Maestro's own. */
  readonly #reserved: (orgId: OrgId) => void;
  readonly #windows = new Map<DemandId, Window>();
  readonly #demands = new Map<DemandId, Demand>();
  readonly #byOrg = new Map<OrgId, Set<DemandId>>();
  readonly #revisions = new Map<OrgId, number>();

  constructor(reserved: (orgId: OrgId) => void = () => undefined) {
    this.#reserved = reserved;
  }

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
      if (isReserved(demand.capability)) this.#reserved(demand.orgId);
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
      // What Maestro keeps to itself is no executor's, whatever one was registered with.
      if (isReserved(demand.capability) !== (executor.executorId === GATEKEEPER)) continue;
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
