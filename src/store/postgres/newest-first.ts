// Where a page of a list begins that is sorted by a time and an id, newest first. Not here: the lists.
import type { PageRequest } from "../ports/paging.ts";

/** Comes before every row: one text then serves the first page and those that go on. */
const NEWEST = [Number.MAX_SAFE_INTEGER, "ffffffff-ffff-ffff-ffff-ffffffffffff"] as const;

/** The predicate of indexes by run, so that a list of one run can be served by no other. */
export const OF_A_RUN = "run_id >= '00000000-0000-0000-0000-000000000000'";

/** Time and id of the row that the page begins below. */
export function below({ after }: PageRequest): readonly [number, string] {
  return (after ?? NEWEST) as readonly [number, string];
}
