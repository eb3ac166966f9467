// Reads a list to its end, page by page. For lists that are small by nature, such as an org's executors.
import type { PageRequest } from "../store/ports/paging.ts";
import type { SortKey } from "./page.ts";

const PAGE = 1_000;

export async function allPages<T>(
  list: (page: PageRequest) => Promise<readonly T[]>,
  keyOf: (item: T) => SortKey,
): Promise<readonly T[]> {
  const all: T[] = [];
  for (let after: SortKey | null = null; ;) {
    const found = await list({ limit: PAGE, after });
    all.push(...found);
    const last = found.at(-1);
    if (last === undefined || found.length < PAGE) return all;
    after = keyOf(last);
  }
}
