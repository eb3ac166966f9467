// Durations, money, energy and estimates as people write them: `30m`, `1h30m`, `5 USD`, `2 kWh`, `[20s, 40s, 90s]`.
import { either, isList, parsed } from "./kinds.ts";
import type { Kind } from "./kinds.ts";

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const LONGEST_MS = 315_360_000_000;

/** Whole milliseconds of `90s`, `1.5h`, `1h30m`; undefined when it is none of these. */
export function parseDuration(value: string | number): number | undefined {
  const plain = String(value).replaceAll(" ", "");
  if (!DURATION.test(plain)) return undefined;
  let ms = 0;
  for (const [, count, unit] of plain.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    ms += Number(count) * (UNIT_MS[unit ?? ""] ?? 0);
  const rounded = Math.round(ms);
  return rounded <= LONGEST_MS ? rounded : undefined;
}

export const duration: Kind<number> = parsed(
  "a duration such as 30s, 10m or 1h30m",
  { type: "string", pattern: DURATION.source, examples: ["30s", "10m", "1h30m"] },
  parseDuration,
);

export interface Money {
  readonly micros: number;
  readonly currency: string;
}

const MONEY = /^(\d+)(?:\.(\d{1,6}))? ?([A-Z]{3})$/;

/** Exact millionths of `5 USD` or `0.25 EUR`. */
export function parseMoney(value: string | number): Money | undefined {
  const match = MONEY.exec(String(value).trim());
  if (match === null) return undefined;
  const [, units = "", fraction = "", currency = ""] = match;
  const micros = Number(`${units}${fraction.padEnd(6, "0")}`);
  return Number.isSafeInteger(micros) ? { micros, currency } : undefined;
}

export const money: Kind<Money> = parsed(
  "money with its currency, such as 5 USD or 0.25 EUR",
  { type: "string", pattern: MONEY.source, examples: ["5 USD"] },
  parseMoney,
);

const JOULES: Readonly<Record<string, number>> = { J: 1, kJ: 1e3, MJ: 1e6, Wh: 3_600, kWh: 3.6e6 };
const ENERGY = /^(\d+(?:\.\d+)?) ?(J|kJ|MJ|Wh|kWh)$/;

/** Thousandths of a joule of `500 J`, `1.5 kWh`. */
export function parseEnergy(value: string | number): number | undefined {
  const match = ENERGY.exec(String(value).trim());
  if (match === null) return undefined;
  const millijoules = Math.round(Number(match[1]) * (JOULES[match[2] ?? ""] ?? 0) * 1000);
  return Number.isSafeInteger(millijoules) ? millijoules : undefined;
}

export const energy: Kind<number> = parsed(
  "energy with its unit, such as 500 J or 1.5 kWh",
  { type: "string", pattern: ENERGY.source, examples: ["500 J", "1.5 kWh"] },
  parseEnergy,
);

export interface Estimate {
  readonly optimisticMs?: number;
  readonly likelyMs: number;
  readonly pessimisticMs?: number;
}

const three: Kind<Estimate> = {
  schema: { type: "array", items: duration.schema, minItems: 3, maxItems: 3, examples: [["20s", "40s", "90s"]] },
  read: (place) => {
    const items = (place.node as unknown as { items: readonly unknown[] }).items;
    if (items.length !== 3)
      return place.reader.wrong(place, "must be one duration, or three: optimistic, likely, pessimistic");
    const [optimisticMs, likelyMs, pessimisticMs] = items.map((item, i) =>
      duration.read(place.reader.place(item, `${place.path}[${i}]`)),
    );
    if (optimisticMs === undefined || likelyMs === undefined || pessimisticMs === undefined) return undefined;
    if (optimisticMs > likelyMs || likelyMs > pessimisticMs)
      return place.reader.wrong(place, "must rise: optimistic ≤ likely ≤ pessimistic");
    return { optimisticMs, likelyMs, pessimisticMs };
  },
};

const single: Kind<Estimate> = {
  schema: duration.schema,
  read: (place) => {
    const likelyMs = duration.read(place);
    return likelyMs === undefined ? undefined : { likelyMs };
  },
};

export const estimate: Kind<Estimate> = either(isList, three, single);
