// Inserts of many rows of one plan, in statements of bounded size. Not here: the hot path's writes, see write-changes.ts.
import { arraysOf, insertText } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import type { Run } from "./transaction.ts";

/** Rows of one statement: enough that its fixed cost does not count, few enough that 100,000 rows need no message of 100 MB. */
const ROWS = 10_000;

export async function bulkInsert<Row>(
  run: Run,
  table: string,
  columns: readonly BulkColumn<Row>[],
  rows: readonly Row[],
): Promise<void> {
  const text = insertText(table, columns);
  for (let from = 0; from < rows.length; from += ROWS)
    await run(text, arraysOf(columns, rows.slice(from, from + ROWS)));
}
