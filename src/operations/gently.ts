// Works through long lists without holding up the event loop. Not here: what takes a thread of its own, see heavy-work.ts.
import { setImmediate as nextTurn } from "node:timers/promises";

/** Items of one turn: to parse or hash so many step definitions takes 1 to 3 ms. */
const TURN = 250;

export async function mapGently<T, R>(list: readonly T[], of: (item: T) => R): Promise<readonly R[]> {
  const mapped: R[] = [];
  for (let from = 0; from < list.length; from += TURN) {
    if (from > 0) await nextTurn();
    for (const item of list.slice(from, from + TURN)) mapped.push(of(item));
  }
  return mapped;
}
