// Takers: whoever can be given steps now, a stream with credit or a waiting call. Not here: what they are given, see batcher.ts.
import type { Executor } from "../domain/executor.ts";
import type { OrgId, ReadyStep } from "../domain/id.ts";
import type { Assignment, LeaseRef } from "../domain/outcome.ts";
import type { BatchKey } from "../store/ports/batches.ts";
import type { FreedSlots } from "./freed-slots.ts";
import type { Window } from "./window.ts";
import type { Windows } from "./windows.ts";

/** Milliseconds by which a step that becomes ready may overtake older ready work of its window. */
export const HANDOVER_MS = 5;

export class Taker {
  executor: Executor;
  readonly capabilities: readonly string[];
  /** Life of its leases without a renewal; null when its stream keeps them alive. */
  readonly leaseMs: number | null;
  /** The key that is kept with its leases, once it is known what they are; only for calls. */
  keyFor: ((leases: readonly LeaseRef[]) => BatchKey) | null = null;
  /** Its key may have been taken elsewhere: it takes nothing more, and its call looks. */
  keyIsDoubtful: () => void = () => undefined;
  /** Steps that batches under way are about to give it. */
  reserved = 0;
  #sealed = false;
  readonly #capacity: () => number;
  readonly #deliver: (assignments: readonly Assignment[]) => void;
  #windows: readonly Window[] = [];
  #seen = -1;

  constructor(
    executor: Executor,
    options: {
      /** Steps that it could be given now, were none reserved. */ readonly capacity: () => number;
      readonly leaseMs: number | null;
      readonly capabilities: readonly string[];
      readonly deliver: (assignments: readonly Assignment[]) => void;
    },
  ) {
    this.executor = executor;
    this.#capacity = options.capacity;
    this.leaseMs = options.leaseMs;
    this.capabilities = options.capabilities;
    this.#deliver = options.deliver;
  }

  /** Steps that it can be given now: derived from what it holds, never counted on its own. */
  get credit(): number {
    return this.creditWith(undefined);
  }

  /** The same in a batch that ends some of its leases; of calls the leases do not count. */
  creditWith(freed: FreedSlots | undefined): number {
    if (this.#sealed) return 0;
    const more = this.leaseMs === null ? (freed?.of(this.executor.executorId) ?? 0) : 0;
    return Math.max(0, this.#capacity() + more - this.reserved);
  }

  /** Under a key all of its leases must be in one transaction: once a batch has some for it, it takes no more. */
  seal(): void {
    this.#sealed = this.keyFor !== null && this.reserved > 0;
  }

  reserve(): void {
    this.reserved += 1;
  }

  /** A reservation became a lease, or came to nothing. */
  release(): void {
    this.reserved -= 1;
    if (this.reserved === 0) this.#sealed = false;
  }

  deliver(assignments: readonly Assignment[]): void {
    this.#deliver(assignments);
  }

  /** Windows that it can serve; computed anew when demand classes joined or the executor changed. */
  windows(all: Windows): readonly Window[] {
    const revision = all.revision(this.executor.orgId);
    if (revision !== this.#seen) {
      this.#windows = all.servable(this.executor, this.capabilities);
      this.#seen = revision;
    }
    return this.#windows;
  }

  changed(executor: Executor): void {
    this.executor = executor;
    this.#seen = -1;
  }
}

/** Takers by org; each org's are asked in turn, so that no executor starves another. */
export class Takers {
  readonly #byOrg = new Map<OrgId, Taker[]>();
  #turn = 0;

  add(taker: Taker): void {
    const list = this.#byOrg.get(taker.executor.orgId) ?? [];
    list.push(taker);
    this.#byOrg.set(taker.executor.orgId, list);
  }

  remove(taker: Taker): void {
    const list = this.#byOrg.get(taker.executor.orgId);
    if (list === undefined) return;
    const at = list.indexOf(taker);
    if (at >= 0) list.splice(at, 1);
    if (list.length === 0) this.#byOrg.delete(taker.executor.orgId);
  }

  orgs(): readonly OrgId[] {
    return [...this.#byOrg.keys()];
  }

  /** Takers of an org, beginning with another one each time. */
  inTurn(orgId: OrgId): readonly Taker[] {
    const list = this.#byOrg.get(orgId) ?? [];
    if (list.length < 2) return list;
    this.#turn = (this.#turn + 1) % list.length;
    return [...list.slice(this.#turn), ...list.slice(0, this.#turn)];
  }

  all(): readonly Taker[] {
    return [...this.#byOrg.values()].flat();
  }
}

/** Who could take the step at once without overtaking older work by more than the bound. */
export function takerFor(
  step: Pick<ReadyStep, "demandId" | "orderKey">,
  windows: Windows,
  takers: readonly Taker[],
  freed?: FreedSlots,
): Taker | undefined {
  const window = windows.get(step.demandId);
  if (window === undefined) return undefined;
  const head = window.head();
  if (head !== undefined && step.orderKey - head.orderKey > HANDOVER_MS * 1_000) return undefined;
  // A window that does not hold everything may hide older work.
  if (window.incomplete && head === undefined) return undefined;
  return takers.find((t) => t.keyFor === null && t.creditWith(freed) > 0 && t.windows(windows).includes(window));
}
