// Pages as operations return them: entries, and the sort key to go on from. Not here: page tokens, which are the transport's.
import type { PageRequest } from "../store/ports/paging.ts";

export type SortKey = readonly (string | number | null)[];

export interface Page<T> {
  readonly items: readonly T[];
  /** Sort key of the last entry when there are more; null at the end. */
  readonly next: SortKey | null;
}

/** One entry more than was asked for tells whether there is a next page. */
export function oneMore(page: PageRequest): PageRequest {
  return { limit: page.limit + 1, after: page.after };
}

/** The page from entries that were read with `oneMore`. */
export function pageOf<T>(found: readonly T[], page: PageRequest, keyOf: (item: T) => SortKey): Page<T> {
  if (found.length <= page.limit) return { items: found, next: null };
  const items = found.slice(0, page.limit);
  const last = items.at(-1);
  return { items, next: last === undefined ? null : keyOf(last) };
}
