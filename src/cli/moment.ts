// A moment as it is typed after a flag. Not here: spans of time, see plan-file/amounts.ts.
import { fromJson } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { CommandEnd, MISUSED } from "./io.ts";
import { harmless } from "./table.ts";

/** `2026-01-31T12:00:00Z`; undefined for what is none. */
export function parseMoment(typed: string): Timestamp | undefined {
  try {
    return fromJson(TimestampSchema, typed);
  } catch {
    return undefined;
  }
}

export function momentOf(flag: string, typed: string): Timestamp {
  const moment = parseMoment(typed);
  if (moment !== undefined) return moment;
  throw new CommandEnd(MISUSED, `${flag} ${harmless(typed)}: must be a time such as 2026-01-31T12:00:00Z`);
}
