// A moment as it is typed after a flag. Not here: spans of time, see plan-file/amounts.ts.
import { fromJson } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { isoTime } from "../support/clock.ts";
import { CommandEnd, MISUSED } from "./io.ts";
import { harmless } from "./table.ts";
import { epochMs } from "./words.ts";

const MIDNIGHT = "T00:00:00Z";

/** `2026-01-31T12:00:00Z`, or a day alone, which begins at midnight in UTC, as REST has it; undefined for what is none. */
export function parseMoment(typed: string): Timestamp | undefined {
  const day = typed.slice(0, 10);
  try {
    // The 31st of February is read as a day in March otherwise.
    const begins = epochMs(fromJson(TimestampSchema, day + MIDNIGHT));
    if (begins === undefined || !isoTime(begins).startsWith(day)) return undefined;
    return fromJson(TimestampSchema, typed === day ? day + MIDNIGHT : typed);
  } catch {
    return undefined;
  }
}

export function momentOf(flag: string, typed: string): Timestamp {
  const moment = parseMoment(typed);
  if (moment !== undefined) return moment;
  throw new CommandEnd(MISUSED, `${flag} ${harmless(typed)}: must be a time such as 2026-01-31T12:00:00Z, or a day`);
}
