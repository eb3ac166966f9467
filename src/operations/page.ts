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

/**
 * What a page may weigh before it ends early, in characters: it fits into a message then, and need not be read again in shorter ones.
 * And entries of the first part of it, which nobody has weighed yet.
 */
const MOST_WEIGHT = 3 * 1024 * 1024;
const FIRST_PART = 16;

/**
 * A page of entries that may be large each: read in parts, as large as what was read so far lets expect, and ended early when it
 * weighs enough. Its token leads on, if only to an empty page.
 */
export async function weighedPage<T>(
  list: (part: PageRequest) => Promise<readonly T[]>,
  page: PageRequest,
  keyOf: (item: T) => SortKey,
  weightOf: (item: T) => number,
): Promise<Page<T>> {
  const items: T[] = [];
  let weight = 0;
  for (let part = FIRST_PART, after = page.after; ;) {
    const limit = Math.min(part, page.limit + 1 - items.length);
    const found = await list({ limit, after });
    for (const item of found) {
      weight += weightOf(item);
      const last = items.at(-1);
      // A stretch of heavy ones that nothing before let expect is cut where it is too much.
      if (weight > MOST_WEIGHT && last !== undefined) return { items, next: keyOf(last) };
      items.push(item);
    }
    const last = found.at(-1);
    if (items.length > page.limit) return pageOf(items, page, keyOf);
    if (last === undefined || found.length < limit) return { items, next: null };
    after = keyOf(last);
    part = Math.max(1, Math.floor(((MOST_WEIGHT - weight) * items.length) / Math.max(1, weight)));
  }
}
