// Slots that one batch sets free by ending their leases, for its own handovers. Memory of that batch, gone with it. Not here:
// what executors hold, see leases.ts.
import type { ExecutorId, PlanId } from "../domain/id.ts";
import { leaseKey } from "./leases.ts";
import type { LeaseEntry } from "./leases.ts";

export class FreedSlots {
  readonly #executors = new Map<string, ExecutorId>();
  readonly #counts = new Map<ExecutorId, number>();

  /** A lease counts once, however many outcomes name it. */
  add({ lease, executorId }: LeaseEntry): void {
    const key = leaseKey(lease.planId, lease.ordinal, lease.fencing);
    if (this.#executors.has(key)) return;
    this.#executors.set(key, executorId);
    this.#counts.set(executorId, this.of(executorId) + 1);
  }

  /** Its end is decided anew. */
  remove(planId: PlanId, ordinal: number, fencing: number): void {
    const key = leaseKey(planId, ordinal, fencing);
    const executorId = this.#executors.get(key);
    if (executorId === undefined) return;
    this.#executors.delete(key);
    this.#counts.set(executorId, this.of(executorId) - 1);
  }

  of(executorId: ExecutorId): number {
    return this.#counts.get(executorId) ?? 0;
  }
}
