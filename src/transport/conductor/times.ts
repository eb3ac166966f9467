// Times as REST clients write and read them: RFC 3339 in UTC out; in, what their model library takes: with or without a zone, a date
// alone, seconds or milliseconds since 1970.
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { isoTime } from "../../support/clock.ts";
import { timestampMs } from "../mapping/time.ts";

const TEXT =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt_ ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9})\d*)?)?\s?([Zz]|[+-]\d\d(?::?\d\d)?)?)?$/;
/** Numbers beyond this are milliseconds: the year 2603 in seconds. */
const SECONDS_END = 2e10;
const FIRST_SECOND = -62_135_596_800;
const LAST_SECOND = 253_402_300_799;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** `2025-11-22T10:00:00Z`; with a fraction only when there is one. */
export function timeText(time: Timestamp): string {
  const text = isoTime(timestampMs(time));
  return text.endsWith(".000Z") ? `${text.slice(0, -5)}Z` : text;
}

/** A time, or undefined when it is none. */
export function readTime(value: unknown): Timestamp | undefined {
  if (typeof value === "number") return ofNumber(value);
  if (typeof value !== "string") return undefined;
  if (/^[+-]?\d+(\.\d+)?$/.test(value)) return ofNumber(Number(value));
  const parts = TEXT.exec(value);
  if (parts === null) return undefined;
  const number = (index: number): number => Number(parts[index] ?? "0");
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map(number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const days = month === 2 && isLeap(year) ? 29 : (DAYS[month - 1] ?? 0);
  if (year < 1 || day < 1 || day > days || hour > 23 || minute > 59 || second > 59) return undefined;
  const offset = offsetSeconds(parts[8] ?? "Z");
  if (offset === undefined) return undefined;
  const seconds = daysFrom1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset;
  return ofParts(seconds, Number((parts[7] ?? "0").padEnd(9, "0")));
}

function ofNumber(value: number): Timestamp | undefined {
  const ms = Math.abs(value) > SECONDS_END ? value : value * 1_000;
  const seconds = Math.floor(ms / 1_000);
  return Number.isFinite(ms) ? ofParts(seconds, Math.floor(ms - seconds * 1_000) * 1_000_000) : undefined;
}

function ofParts(seconds: number, nanos: number): Timestamp | undefined {
  if (seconds < FIRST_SECOND || seconds > LAST_SECOND) return undefined;
  return { $typeName: "google.protobuf.Timestamp", seconds: BigInt(seconds), nanos };
}

/** Seconds east of UTC; none is UTC. */
function offsetSeconds(zone: string): number | undefined {
  if (zone === "Z" || zone === "z") return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(3).replace(":", "") || "0");
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith("-") ? -1 : 1) * (hours * 3_600 + minutes * 60);
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

/** Days of the Gregorian calendar; the year begins in March, so that the leap day is its last. */
function daysFrom1970(year: number, month: number, day: number): number {
  const y = month < 3 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  return (
    era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
  );
}
