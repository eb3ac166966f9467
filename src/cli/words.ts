// Words for what the wire says in numbers: states, spans of time, amounts.
import type { DescEnum } from "@bufbuild/protobuf";
import type { GenEnum } from "@bufbuild/protobuf/codegenv2";
import type { Duration, Timestamp } from "@bufbuild/protobuf/wkt";
import type { Amounts, Budget } from "../../gen/maestro/v1/amounts_pb.ts";
import type { Progress } from "../../gen/maestro/v1/goal_pb.ts";
import { isoTime } from "../support/clock.ts";

/** The word of an enum's value, such as `SUCCEEDED`. */
export function word(desc: DescEnum, value: number): string {
  const known = desc.value[value];
  if (known === undefined) return `${desc.name}(${value})`;
  const { sharedPrefix = "" } = desc;
  return known.name.toLowerCase().startsWith(sharedPrefix) ? known.name.slice(sharedPrefix.length) : known.name;
}

export function msOf(span: Duration | undefined): number {
  return span === undefined ? 0 : Number(span.seconds) * 1000 + span.nanos / 1_000_000;
}

export function epochMs(time: Timestamp | undefined): number | undefined {
  return time === undefined ? undefined : Number(time.seconds) * 1000 + time.nanos / 1_000_000;
}

/** `12 ms`, `3.2 s`, `4 m 05 s`, `2 h 03 m`. */
export function spanText(ms: number): string {
  const sign = ms < 0 ? "−" : "";
  const size = Math.abs(ms);
  if (size < 1_000) return `${sign}${Math.round(size)} ms`;
  if (size < 60_000) return `${sign}${(size / 1000).toFixed(1)} s`;
  const seconds = Math.round(size / 1000);
  const pad = (value: number): string => String(value).padStart(2, "0");
  if (seconds < 3600) return `${sign}${Math.floor(seconds / 60)} m ${pad(seconds % 60)} s`;
  const minutes = Math.round(seconds / 60);
  return `${sign}${Math.floor(minutes / 60)} h ${pad(minutes % 60)} m`;
}

/** What was used, without the dimensions in which nothing was. */
export function amountsText(amounts: Amounts | undefined, currency: string): string {
  if (amounts === undefined) return "nothing";
  const parts = [
    ...(amounts.moneyMicros > 0n ? [moneyText(amounts.moneyMicros, currency)] : []),
    ...(amounts.tokens > 0n ? [`${amounts.tokens} tokens`] : []),
    ...(msOf(amounts.wall) > 0 ? [`${spanText(msOf(amounts.wall))} wall-clock`] : []),
    ...(amounts.energyMillijoules > 0n ? [`${Number(amounts.energyMillijoules) / 1000} J`] : []),
  ];
  return parts.length === 0 ? "nothing" : parts.join(", ");
}

/** Day and time in UTC, to the second; empty for never. */
export function timeText(time: Timestamp | undefined): string {
  const ms = epochMs(time);
  return ms === undefined ? "" : `${isoTime(ms).slice(0, 19).replace("T", " ")}Z`;
}

/** `team=core, tier=1`. */
export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(", ");
}

/** The value that a user's word stands for, in any case and with `-` for `_`; undefined when there is none. */
export function valueOf<E extends number>(desc: GenEnum<E>, typed: string): E | undefined {
  const wanted = typed.toUpperCase().replaceAll("-", "_");
  return desc.values.find(({ number }) => number !== 0 && word(desc, number) === wanted)?.number as E | undefined;
}

/** All words of an enum, for help and completion. */
export function wordsOf(desc: DescEnum): string[] {
  return desc.values.filter(({ number }) => number !== 0).map(({ number }) => word(desc, number));
}

/** What may be used; dimensions without a limit are left out. */
export function budgetText({ currency, moneyMicros, tokens, wall, energyMillijoules }: Budget): string {
  const parts = [
    ...(moneyMicros === undefined ? [] : [moneyText(moneyMicros, currency)]),
    ...(tokens === undefined ? [] : [`${tokens} tokens`]),
    ...(wall === undefined ? [] : [`${spanText(msOf(wall))} wall-clock`]),
    ...(energyMillijoules === undefined ? [] : [`${Number(energyMillijoules) / 1000} J`]),
  ];
  return parts.length === 0 ? "not limited" : parts.join(", ");
}

/** `3/12`: steps that ended, of all. */
export function progressText(progress: Progress | undefined): string {
  return progress === undefined ? "" : `${progress.ended}/${progress.total}`;
}

export function moneyText(micros: bigint, currency: string): string {
  const units = micros / 1_000_000n;
  const fraction = String(micros % 1_000_000n)
    .padStart(6, "0")
    .replace(/0{1,4}$/, "");
  return `${units}.${fraction} ${currency}`.trimEnd();
}
