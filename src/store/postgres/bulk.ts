// Inserts of many rows of one plan, in statements of bounded size. Not here: the hot path's writes, see write-changes.ts.
import { setImmediate as nextTurn } from "node:timers/promises";
import type { PlanRef } from "../../domain/id.ts";
import { placedArrays, placeIds } from "./placed.ts";
import type { PlacedStatement } from "./placed.ts";
import type { Session } from "./transaction.ts";

/** Rows of one statement: to make the arrays of so many, and to send them, takes the event loop 1 to 3 ms. */
export const ROWS = 250;
/** Statements that may be under way: the server works on some while the next are made. More would wait in the driver, which sends all of them in one turn. */
const AHEAD = 4;

/** Inserts rows of a plan; the last statements may still be under way when it returns, see Session.send. */
export async function bulkInsert<Row>(
  { run, send }: Pick<Session, "run" | "send">,
  plan: PlanRef,
  { text, columns }: PlacedStatement<Row>,
  rows: readonly Row[],
): Promise<void> {
  const ids = placeIds([plan]);
  for (let from = 0, at = 1; from < rows.length; from += ROWS, at++) {
    if (from > 0) await nextTurn();
    const parameters = placedArrays(
      ids,
      columns,
      rows.slice(from, from + ROWS).map((it) => ({ place: 1, it })),
    );
    if (at % AHEAD === 0) await run(text, parameters);
    else send(text, parameters);
  }
}
