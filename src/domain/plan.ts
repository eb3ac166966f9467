// A plan's row, its states, and its account. Not here: what moves it, see plan/.
import { DIMENSIONS, minus, MOST, NO_LIMITS, NOTHING, plus, within } from "./amounts.ts";
import type { Amounts, Dimension, Limits } from "./amounts.ts";
import type { Goal } from "./goal.ts";
import type { CharterId, OrgId, PlanId } from "./id.ts";

export type PlanState =
  | "UNCOMMITTED"
  | "AWAITING_RATIFICATION"
  | "ACTIVE"
  | "SUSPENDED"
  | "COMPENSATING"
  | "COMPLETED"
  | "FAILED"
  | "CANCELLED";

export const PLAN_TRANSITIONS: Readonly<Record<PlanState, readonly PlanState[]>> = {
  UNCOMMITTED: ["AWAITING_RATIFICATION", "ACTIVE", "CANCELLED"],
  AWAITING_RATIFICATION: ["ACTIVE", "UNCOMMITTED", "CANCELLED"],
  ACTIVE: ["SUSPENDED", "COMPENSATING", "COMPLETED", "FAILED", "CANCELLED"],
  SUSPENDED: ["ACTIVE", "COMPENSATING", "COMPLETED", "FAILED", "CANCELLED"],
  COMPENSATING: ["FAILED", "CANCELLED", "ACTIVE"],
  COMPLETED: ["ACTIVE"],
  FAILED: ["ACTIVE", "COMPENSATING"],
  // Only to try again what could not be undone.
  CANCELLED: ["COMPENSATING"],
};

export function planHasEnded(state: PlanState): boolean {
  return state === "COMPLETED" || state === "FAILED" || state === "CANCELLED";
}

/** The plan's account: allotted once at commit, then only leasing and settling move it. */
export interface Account {
  readonly currency: string;
  readonly allotted: Limits;
  readonly held: Amounts;
  readonly spent: Amounts;
  readonly overrun: Amounts;
  readonly presumed: Amounts;
}

export interface PlanRow {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly charterId: CharterId;
  readonly charterRevision: number;
  readonly state: PlanState;
  readonly rev: number;
  readonly recordSeq: number;
  readonly newestVersion: number;
  readonly activeVersion: number;
  readonly pendingVersion: number;
  readonly nextOrdinal: number;
  readonly ending: "FAILED" | "CANCELLED" | null;
  readonly compensate: boolean;
  readonly reason: string;
  readonly account: Account;
  readonly stepsTotal: number;
  readonly stepsEnded: number;
  readonly stepsSucceeded: number;
  readonly stepsFailed: number;
  readonly stepsRunning: number;
  readonly stepsStarved: number;
  readonly minTrust: number;
  readonly traceparent: string;
  readonly createdMs: number;
  readonly committedMs: number | null;
  readonly deadlineMs: number | null;
  readonly finishedMs: number | null;
}

/** The plan of a new goal: no versions, and an empty account. */
export function newPlan({ orgId, planId, charterId, charterRevision, createdMs }: Goal): PlanRow {
  return {
    orgId,
    planId,
    charterId,
    charterRevision,
    state: "UNCOMMITTED",
    rev: 0,
    recordSeq: 0,
    newestVersion: 0,
    activeVersion: 0,
    pendingVersion: 0,
    nextOrdinal: 1,
    ending: null,
    compensate: false,
    reason: "",
    account: {
      currency: "",
      allotted: NO_LIMITS,
      held: NOTHING,
      spent: NOTHING,
      overrun: NOTHING,
      presumed: NOTHING,
    },
    stepsTotal: 0,
    stepsEnded: 0,
    stepsSucceeded: 0,
    stepsFailed: 0,
    stepsRunning: 0,
    stepsStarved: 0,
    minTrust: 0,
    traceparent: "",
    createdMs,
    committedMs: null,
    deadlineMs: null,
    finishedMs: null,
  };
}

/**
 * Takes a hold, or says which dimensions do not allow it. What is authorised never exceeds what is allotted; and where overrun
 * has used up the rest, nothing new begins, not even what would hold nothing.
 */
export function takeHold(
  account: Account,
  hold: Amounts,
): { readonly account: Account } | { readonly short: readonly Dimension[] } {
  const { allotted, held, spent, overrun, presumed } = account;
  const short = DIMENSIONS.filter((d) => {
    const limit = allotted[d];
    const open = held[d] + presumed[d] + hold[d];
    // Without a limit a sum may still not lose digits: it could not be taken apart again.
    return limit === null ? open > MOST : open + spent[d] + overrun[d] > limit;
  });
  return short.length > 0 ? { short } : { account: { ...account, held: plus(held, hold) } };
}

/** Ends a hold with what was really used: up to the hold is spent, the rest is overrun, booked in full and outside the bound. */
export function settleHold(account: Account, hold: Amounts, usage: Amounts): Account {
  return book({ ...account, held: minus(account.held, hold) }, hold, usage);
}

/** Ends a hold without evidence: all of it is presumed spent until a late report settles it. */
export function presumeHold(account: Account, hold: Amounts): Account {
  return { ...account, held: minus(account.held, hold), presumed: plus(account.presumed, hold) };
}

/** Settles a presumed hold with a late report. */
export function settlePresumed(account: Account, hold: Amounts, usage: Amounts): Account {
  return book({ ...account, presumed: minus(account.presumed, hold) }, hold, usage);
}

/** Where nothing is limited there is nothing to overrun: all of it is spent. Both together stop at the largest amount that is kept. */
function book(account: Account, hold: Amounts, usage: Amounts): Account {
  const { allotted } = account;
  const bound: Amounts = {
    tokens: allotted.tokens === null ? usage.tokens : hold.tokens,
    moneyMicros: allotted.moneyMicros === null ? usage.moneyMicros : hold.moneyMicros,
    wallMs: allotted.wallMs === null ? usage.wallMs : hold.wallMs,
    energyMillijoules: allotted.energyMillijoules === null ? usage.energyMillijoules : hold.energyMillijoules,
  };
  const spent = plus(account.spent, within(usage, bound));
  const used = plus(plus(account.spent, account.overrun), usage);
  return { ...account, spent, overrun: minus(used, spent) };
}

/** What may still be authorised: what was used beyond its hold is gone as well. Null is not limited. */
export function remaining(account: Account): Limits {
  const used = plus(plus(plus(account.held, account.spent), account.presumed), account.overrun);
  const left = (limit: number | null, amount: number): number | null =>
    limit === null ? null : Math.max(0, limit - amount);
  return {
    tokens: left(account.allotted.tokens, used.tokens),
    moneyMicros: left(account.allotted.moneyMicros, used.moneyMicros),
    wallMs: left(account.allotted.wallMs, used.wallMs),
    energyMillijoules: left(account.allotted.energyMillijoules, used.energyMillijoules),
  };
}
