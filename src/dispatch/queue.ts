// Items waiting for a batch, per org, taken by deficit round-robin. Outcomes are bounded: what does not fit is refused at the
// door. The rest is what the server itself must do, bounded by its leases, its scans and the calls under way.
import type { OrgId, PlanId } from "../domain/id.ts";
import type { Item } from "./items.ts";

/** Outcomes of one org that wait at most. */
export const ORG_LIMIT = 20_000;
/** Items that an org may take in its turn. */
const QUANTUM = 16;

export class ItemQueue {
  readonly #byOrg = new Map<OrgId, Item[]>();
  readonly #outcomes = new Map<OrgId, number>();
  /** What standing scans ask for again and again waits once. */
  readonly #standing = new Set<string>();
  #order: OrgId[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an item; false when the org has too many outcomes waiting. */
  push(item: Item): boolean {
    if (item.kind === "outcome" && (this.#outcomes.get(item.orgId) ?? 0) >= ORG_LIMIT) return false;
    const standing = standingKey(item);
    if (standing !== undefined && this.#standing.has(standing)) return true;
    this.#count(item, 1);
    let list = this.#byOrg.get(item.orgId);
    if (list === undefined) {
      list = [];
      this.#byOrg.set(item.orgId, list);
      this.#order.push(item.orgId);
    }
    list.push(item);
    return true;
  }

  /** Puts items back that a batch could not carry out, before those that came meanwhile and in their order; never refused, since they were admitted before. */
  unshift(items: readonly Item[]): void {
    const blocks = new Map<OrgId, Item[]>();
    for (const item of items) {
      const block = blocks.get(item.orgId);
      if (block === undefined) blocks.set(item.orgId, [item]);
      else block.push(item);
      this.#count(item, 1);
    }
    for (const [orgId, block] of blocks) {
      const list = this.#byOrg.get(orgId);
      if (list === undefined) this.#order.push(orgId);
      this.#byOrg.set(orgId, list === undefined ? block : [...block, ...list]);
    }
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
      for (const item of taken.slice(before)) this.#count(item, -1);
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
    this.#outcomes.clear();
    this.#standing.clear();
    this.#order = [];
    this.#size = 0;
    return all;
  }

  #count(item: Item, by: 1 | -1): void {
    this.#size += by;
    if (item.kind === "outcome") {
      const count = (this.#outcomes.get(item.orgId) ?? 0) + by;
      if (count === 0) this.#outcomes.delete(item.orgId);
      else this.#outcomes.set(item.orgId, count);
    }
    const standing = standingKey(item);
    if (standing === undefined) return;
    if (by === 1) this.#standing.add(standing);
    else this.#standing.delete(standing);
  }
}

/** Of items that nobody waits for, and that are the same each time. */
function standingKey(item: Item): string | undefined {
  if (item.kind === "wake") return `wake/${item.orgId}/${item.planId}/${String(item.ordinal)}`;
  return item.kind === "cascade" || item.kind === "overdue" ? `${item.kind}/${item.orgId}/${item.planId}` : undefined;
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
