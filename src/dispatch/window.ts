// A window: the first ready steps of one demand class, in memory, bounded. Not here: all windows (windows.ts), takers (takers.ts).
import type { DemandId, OrgId, PlanId, ReadyStep } from "../domain/id.ts";
import { Heap } from "./heap.ts";

/** Steps that a window holds, twice as many if the further ones are older; beyond that it knows that there is more. */
export const WINDOW_LIMIT = 4_096;

/** Ready steps of one plan. */
interface Share {
  readonly planId: PlanId;
  readonly steps: Heap<ReadyStep>;
  readonly known: Set<number>;
  /** Its newest place in line; older ones are passed over. */
  place: Place | undefined;
}

/** Where a plan's first step stands among those of the other plans. */
interface Place {
  readonly share: Share;
  readonly orderKey: number;
}

/**
 * Smallest order key first; a plan stands in line once, with its first step, so that a plan that a batch is busy with is
 * passed over in one go, however many steps of it are ready.
 */
export class Window {
  readonly orgId: OrgId;
  readonly demandId: DemandId;
  /** The store may hold ready steps that this window does not. */
  incomplete = true;
  /** When the store was last asked, by the monotonic clock. */
  refilledMs = Number.NEGATIVE_INFINITY;
  #size = 0;
  /** Largest order key that it ever held. */
  #newest = Number.NEGATIVE_INFINITY;
  readonly #shares = new Map<PlanId, Share>();
  readonly #line = new Heap<Place>(
    (a, b) => a.orderKey < b.orderKey || (a.orderKey === b.orderKey && a.share.planId < b.share.planId),
  );
  #aside: Share[] = [];

  constructor(orgId: OrgId, demandId: DemandId) {
    this.orgId = orgId;
    this.demandId = demandId;
  }

  get size(): number {
    return this.#size;
  }

  head(): ReadyStep | undefined {
    return this.#first()?.share.steps.peek();
  }

  /** Adds a step unless it is there; a full window drops it, newer ones first, and remembers that there is more. */
  offer(step: ReadyStep): void {
    const share = this.#shares.get(step.planId);
    if (share?.known.has(step.ordinal) === true) return;
    // What is older than something that it holds is not kept waiting behind that: a step of a plan under way may be.
    const limit = step.orderKey < this.#newest ? 2 * WINDOW_LIMIT : WINDOW_LIMIT;
    if (this.#size >= limit) {
      this.incomplete = true;
      return;
    }
    this.#newest = Math.max(this.#newest, step.orderKey);
    this.#size += 1;
    const into = share ?? this.#open(step.planId);
    into.known.add(step.ordinal);
    into.steps.push(step);
    if (into.place === undefined || step.orderKey < into.place.orderKey) this.#lineUp(into);
  }

  /** Takes the first step. */
  take(): ReadyStep | undefined {
    const share = this.#first()?.share;
    const step = share?.steps.pop();
    if (share === undefined || step === undefined) return undefined;
    this.#size -= 1;
    share.known.delete(step.ordinal);
    if (share.steps.size === 0) {
      share.place = undefined;
      this.#shares.delete(share.planId);
    } else this.#lineUp(share);
    return step;
  }

  /** Takes the plan of the first step out of the line, until `restore`. */
  setAside(): void {
    const place = this.#line.pop();
    if (place === undefined) return;
    place.share.place = undefined;
    this.#aside.push(place.share);
  }

  restore(): void {
    const aside = this.#aside;
    this.#aside = [];
    for (const share of aside) if (share.place === undefined) this.#lineUp(share);
  }

  #open(planId: PlanId): Share {
    const share: Share = {
      planId,
      steps: new Heap((a, b) => a.orderKey < b.orderKey || (a.orderKey === b.orderKey && a.ordinal < b.ordinal)),
      known: new Set(),
      place: undefined,
    };
    this.#shares.set(planId, share);
    return share;
  }

  #lineUp(share: Share): void {
    const first = share.steps.peek();
    if (first === undefined) return;
    share.place = { share, orderKey: first.orderKey };
    this.#line.push(share.place);
  }

  /** The first place that still holds. */
  #first(): Place | undefined {
    for (;;) {
      const place = this.#line.peek();
      if (place === undefined || place.share.place === place) return place;
      this.#line.pop();
    }
  }
}
