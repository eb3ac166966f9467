// Pages of entries that may be large: all of them in order, and never much more at once than a page may weigh. Not here: tokens.
import { expect, test } from "vitest";
import { weighedPage } from "../../src/operations/page.ts";
import type { SortKey } from "../../src/operations/page.ts";
import type { PageRequest } from "../../src/store/ports/paging.ts";

const MEGABYTE = 1024 * 1024;

interface Entry {
  readonly place: number;
  readonly weight: number;
}

/** A list of such weights, and the heaviest part that anybody read of it. */
function listOf(weights: readonly number[]) {
  const entries = weights.map((weight, place): Entry => ({ place, weight }));
  const told = { heaviest: 0, parts: 0 };
  const read = async ({ limit, after }: PageRequest): Promise<readonly Entry[]> => {
    const from = after === null ? 0 : Number(after[0]) + 1;
    const part = entries.slice(from, from + limit);
    told.parts += 1;
    told.heaviest = Math.max(
      told.heaviest,
      part.reduce((sum, { weight }) => sum + weight, 0),
    );
    return part;
  };
  const page = (limit: number, after: SortKey | null) =>
    weighedPage(
      read,
      { limit, after },
      ({ place }) => [place],
      ({ weight }) => weight,
    );
  return { entries, told, page };
}

async function walk({ page }: ReturnType<typeof listOf>, limit: number): Promise<readonly (readonly Entry[])[]> {
  const pages: (readonly Entry[])[] = [];
  for (let after: SortKey | null = null; ;) {
    const { items, next } = await page(limit, after);
    pages.push(items);
    if (next === null) return pages;
    after = next;
  }
}

test.each([0, 1, 15, 16, 17, 99, 100, 101, 999, 1_000, 1_001, 2_500])(
  "%i light entries come whole, in order, in full pages",
  async (count) => {
    for (const limit of [1, 16, 100, 1_000]) {
      const list = listOf(Array.from({ length: count }, () => 10));
      const pages = await walk(list, limit);
      expect(pages.flat()).toEqual(list.entries);
      for (const page of pages.slice(0, -1)) expect(page).toHaveLength(limit);
    }
  },
);

test("a page of light entries takes two readings", async () => {
  const list = listOf(Array.from({ length: 5_000 }, () => 10));
  await list.page(1_000, null);
  expect(list.told.parts).toBe(2);
});

test("heavy entries come in shorter pages, and no reading brings much more than a page may weigh", async () => {
  const list = listOf(Array.from({ length: 500 }, (_, i) => (i % 7 === 0 ? MEGABYTE : 100)));
  const pages = await walk(list, 1_000);
  expect(pages.flat()).toEqual(list.entries);
  expect(pages.length).toBeGreaterThan(5);
  // As large as what came before lets expect: a stretch of heavy ones in between may be as heavy again.
  expect(list.told.heaviest).toBeLessThan(3 * 8 * MEGABYTE);
  // And every page fits into a message.
  for (const page of pages) expect(page.reduce((sum, { weight }) => sum + weight, 0)).toBeLessThanOrEqual(3 * MEGABYTE);
});

test("an entry that alone weighs more than a page may has a page even so", async () => {
  const list = listOf(Array.from({ length: 40 }, () => 20 * MEGABYTE));
  expect((await walk(list, 100)).flat()).toEqual(list.entries);
});
