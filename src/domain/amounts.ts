// Amounts in the four dimensions (tokens, money, wall-clock, energy) and limits on them. Not here: the plan's account, see plan.ts.

/** An amount in each dimension; whole numbers from 0 to 2^53 − 1. */
export interface Amounts {
  readonly tokens: number;
  /** Millionths of the charter's currency unit. */
  readonly moneyMicros: number;
  readonly wallMs: number;
  readonly energyMillijoules: number;
}

/** Most of each dimension; null is not limited. */
export interface Limits {
  readonly tokens: number | null;
  readonly moneyMicros: number | null;
  readonly wallMs: number | null;
  readonly energyMillijoules: number | null;
}

/** Limits with the currency of money; empty when money is not limited. */
export interface Budget extends Limits {
  readonly currency: string;
}

export type Dimension = keyof Amounts;
export const DIMENSIONS: readonly Dimension[] = ["tokens", "moneyMicros", "wallMs", "energyMillijoules"];

export const NOTHING: Amounts = { tokens: 0, moneyMicros: 0, wallMs: 0, energyMillijoules: 0 };
export const NO_LIMITS: Limits = { tokens: null, moneyMicros: null, wallMs: null, energyMillijoules: null };

/** Largest amount that is kept; sums saturate here instead of losing digits. */
export const MOST = Number.MAX_SAFE_INTEGER;

export function plus(a: Amounts, b: Amounts): Amounts {
  return each((d) => Math.min(a[d] + b[d], MOST));
}

/** a − b; a negative result is a bug of the caller and shows as a constraint violation in the store. */
export function minus(a: Amounts, b: Amounts): Amounts {
  return each((d) => a[d] - b[d]);
}

/** The part of `a` that lies within `bound`, dimension by dimension. */
export function within(a: Amounts, bound: Amounts): Amounts {
  return each((d) => Math.min(a[d], bound[d]));
}

/** The tighter of two limits, dimension by dimension. */
export function tighter(a: Limits, b: Limits): Limits {
  return {
    tokens: least(a.tokens, b.tokens),
    moneyMicros: least(a.moneyMicros, b.moneyMicros),
    wallMs: least(a.wallMs, b.wallMs),
    energyMillijoules: least(a.energyMillijoules, b.energyMillijoules),
  };
}

/** Dimensions in which `amount` exceeds `limits`. */
export function exceeded(amount: Amounts, limits: Limits): readonly Dimension[] {
  return DIMENSIONS.filter((d) => {
    const limit = limits[d];
    return limit !== null && amount[d] > limit;
  });
}

function least(a: number | null, b: number | null): number | null {
  if (a === null) return b;
  return b === null ? a : Math.min(a, b);
}

function each(value: (d: Dimension) => number): Amounts {
  return {
    tokens: value("tokens"),
    moneyMicros: value("moneyMicros"),
    wallMs: value("wallMs"),
    energyMillijoules: value("energyMillijoules"),
  };
}
