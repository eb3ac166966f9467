// Items waiting for a batch, per org, taken by deficit round-robin. Bounded: what does not fit is refused at the door.
import type { OrgId, PlanId } from "../domain/id.ts";
import type { Item } from "./items.ts";

/** Items of one org that wait at most. */
export const ORG_LIMIT = 20_000;
/** Items that an org may take in its turn. */
const QUANTUM = 16;

export class ItemQueue {
  readonly #byOrg = new Map<OrgId, Item[]>();
  #order: OrgId[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an item; false when the org's queue is full. */
  push(item: Item): boolean {
    let list = this.#byOrg.get(item.orgId);
    if (list === undefined) {
      list = [];
      this.#byOrg.set(item.orgId, list);
      this.#order.push(item.orgId);
    }
    if (list.length >= ORG_LIMIT) return false;
    list.push(item);
    this.#size += 1;
    return true;
  }

  /** Puts items back that a batch could not carry out, before those that came meanwhile and in their order; never refused, since they were admitted before. */
  unshift(items: readonly Item[]): void {
    const blocks = new Map<OrgId, Item[]>();
    for (const item of items) {
      const block = blocks.get(item.orgId);
      if (block === undefined) blocks.set(item.orgId, [item]);
      else block.push(item);
    }
    for (const [orgId, block] of blocks) {
      const list = this.#byOrg.get(orgId);
      if (list === undefined) this.#order.push(orgId);
      this.#byOrg.set(orgId, list === undefined ? block : [...block, ...list]);
    }
    this.#size += items.length;
  }

  /** Takes up to `limit` items whose plans are not busy, a quantum an org in turn; items of one plan keep their order. */
  take(limit: number, busy: ReadonlySet<PlanId>): Item[] {
    const taken: Item[] = [];
    let idle = 0;
    while (taken.length < limit && this.#order.length > 0 && idle < this.#order.length) {
      const orgId = this.#order.shift();
      if (orgId === undefined) break;
      const list = this.#byOrg.get(orgId) ?? [];
      const before = taken.length;
      const left = takeFrom(list, Math.min(QUANTUM, limit - taken.length), busy, taken);
      this.#size -= taken.length - before;
      if (left.length === 0) this.#byOrg.delete(orgId);
      else {
        this.#byOrg.set(orgId, left);
        this.#order.push(orgId);
      }
      idle = taken.length === before ? idle + 1 : 0;
    }
    return taken;
  }

  drain(): Item[] {
    const all = [...this.#byOrg.values()].flat();
    this.#byOrg.clear();
    this.#order = [];
    this.#size = 0;
    return all;
  }
}

function takeFrom(list: Item[], limit: number, busy: ReadonlySet<PlanId>, taken: Item[]): Item[] {
  // The usual case: nothing at the head is busy.
  let head = 0;
  while (head < list.length && head < limit) {
    const item = list[head];
    if (item === undefined || busy.has(item.planId)) break;
    taken.push(item);
    head += 1;
  }
  if (head === limit || head === list.length) return head === 0 ? list : list.slice(head);
  const left: Item[] = [];
  let count = head;
  for (let i = head; i < list.length; i++) {
    const item = list[i];
    if (item === undefined) continue;
    if (count < limit && !busy.has(item.planId)) {
      taken.push(item);
      count += 1;
    } else left.push(item);
  }
  return left;
}
