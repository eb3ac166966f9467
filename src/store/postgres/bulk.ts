// Inserts of one row, and of many rows of one plan in statements of bounded size. Not here: the hot path's writes, see write-changes.ts.
import { setImmediate as nextTurn } from "node:timers/promises";
import { arraysOf, insertText } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import type { Session } from "./transaction.ts";

/** Rows of one statement: to make the arrays of so many, and to send them, takes the event loop 1 to 3 ms. */
const ROWS = 250;
/** Statements that may be under way: the server works on some while the next are made. More would wait in the driver, which sends all of them in one turn. */
const AHEAD = 4;

export interface BulkInsert<Row> {
  readonly text: string;
  readonly columns: readonly BulkColumn<Row>[];
}

export function bulkInto<Row>(table: string, columns: readonly BulkColumn<Row>[]): BulkInsert<Row> {
  return { text: insertText(table, columns), columns };
}

/** An insert of one row, which unnest makes three times as dear where columns are many. */
export function insertOneText<Row>(table: string, columns: readonly BulkColumn<Row>[]): string {
  const names = columns.map((c) => c.name).join(", ");
  const values = columns.map((c, i) => `$${i + 1}::${c.type}`).join(", ");
  return `INSERT INTO maestro.${table} (${names}) VALUES (${values})`;
}

export function valuesOf<Row>(columns: readonly BulkColumn<Row>[], row: Row): readonly unknown[] {
  return columns.map((c) => c.value(row) ?? null);
}

/** Inserts rows; the last statements may still be under way when it returns, see Session.send. */
export async function bulkInsert<Row>(
  { run, send }: Pick<Session, "run" | "send">,
  { text, columns }: BulkInsert<Row>,
  rows: readonly Row[],
): Promise<void> {
  for (let from = 0, at = 1; from < rows.length; from += ROWS, at++) {
    if (from > 0) await nextTurn();
    const parameters = arraysOf(columns, rows.slice(from, from + ROWS));
    if (at % AHEAD === 0) await run(text, parameters);
    else send(text, parameters);
  }
}
