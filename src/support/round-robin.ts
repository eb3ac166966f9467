// A queue of several owners who take turns, so that whoever queues much waits behind their own. Not here: how much may be queued.

export interface RoundRobin<T> {
  add(owner: string, item: T): void;
  /** Whether it was there. */
  remove(owner: string, item: T): boolean;
  /** The oldest item of the owner whose turn it is, of those who may; undefined when there is none. */
  next(may?: (owner: string) => boolean): T | undefined;
  /** How many an owner has there. */
  sizeOf(owner: string): number;
  size(): number;
}

export function createRoundRobin<T>(): RoundRobin<T> {
  // The order of its keys is whose turn it is.
  const lists = new Map<string, T[]>();
  let size = 0;
  return {
    add: (owner, item) => {
      const list = lists.get(owner);
      if (list === undefined) lists.set(owner, [item]);
      else list.push(item);
      size++;
    },
    remove: (owner, item) => {
      const list = lists.get(owner);
      const at = list?.indexOf(item) ?? -1;
      if (list === undefined || at < 0) return false;
      list.splice(at, 1);
      if (list.length === 0) lists.delete(owner);
      size--;
      return true;
    },
    next: (may = () => true) => {
      for (const [owner, list] of lists) {
        if (!may(owner)) continue;
        const item = list.shift();
        lists.delete(owner);
        if (list.length > 0) lists.set(owner, list);
        size--;
        return item;
      }
      return undefined;
    },
    sizeOf: (owner) => lists.get(owner)?.length ?? 0,
    size: () => size,
  };
}
