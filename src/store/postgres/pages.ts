// Long results in pages, so that no turn of the event loop has to read all of one: 10,000 rows at once take it 50 to 100 ms.
// Not here: pages that callers ask for.

/** Rows of a page, some 2 ms of reading. */
export const PAGE = 500;

/** All rows that pages of `PAGE` give, each page after the last row of the one before. */
export async function inPages<Raw, T>(
  page: (after: Raw | undefined) => Promise<readonly Raw[]>,
  of: (raw: Raw) => T,
): Promise<readonly T[]> {
  const all: T[] = [];
  for (let last: Raw | undefined; ;) {
    const rows = await page(last);
    for (const raw of rows) all.push(of(raw));
    if (rows.length < PAGE) return all;
    last = rows.at(-1);
  }
}
