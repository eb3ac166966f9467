// Spans of time as tests write them. Not here: which words there are, see the plan file's.
import { parseDuration } from "../cli/plan-file/amounts.ts";

/** Milliseconds, or a text such as `90s`, `10m` or `1h30m`. */
export type Span = number | string;

/** Whole milliseconds. Throws a RangeError on anything else. */
export function spanMs(span: Span): number {
  const ms = typeof span === "number" ? span : parseDuration(span);
  if (ms === undefined || !Number.isFinite(ms) || ms < 0)
    throw new RangeError(
      `${JSON.stringify(span)} is no span of time: write milliseconds, or a text such as 90s or 1h30m`,
    );
  return Math.round(ms);
}
