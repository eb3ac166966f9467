// What a rerun does to the steps around it, by key, out of the rows that come and go. Pure. Not here: working those out.
import type { RerunStory } from "../domain/plan/rerun.ts";
import { hasNotBegun } from "../domain/step.ts";
import type { StepRow } from "../domain/step.ts";
import type { Succession } from "./succession.ts";

/** `rows` are the current ones as they stood. */
export function storyOf(
  key: string,
  rows: readonly StepRow[],
  { fates, stale, removed }: Pick<Succession, "fates" | "stale" | "removed">,
): RerunStory {
  const gone = new Set(removed);
  const replaced = rows.filter((row) => gone.has(row.ordinal));
  const of = (fate: string): readonly string[] =>
    replaced.filter((row) => fates.get(row.key) === fate).map((row) => row.key);
  return {
    // Whoever had not begun just waits anew.
    rerun: replaced.filter((row) => row.key !== key && !hasNotBegun(row.state)).map((row) => row.key),
    stale: stale.filter((one) => !replaced.some((row) => row.key === one)),
    compensated: of("COMPENSATED"),
    notCompensable: of("NOT_COMPENSABLE"),
    stopped: of("STOPPED"),
  };
}
