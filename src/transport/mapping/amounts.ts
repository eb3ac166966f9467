// Amounts, budgets and a plan's account as messages and back.
import type { Amounts as WireAmounts, Budget as WireBudget, Ledger } from "../../../gen/maestro/v1/amounts_pb.ts";
import { NOTHING } from "../../domain/amounts.ts";
import type { Amounts, Budget, Limits } from "../../domain/amounts.ts";
import type { Account } from "../../domain/plan.ts";
import { duration, durationMs, optionalDuration, optionalDurationMs } from "./time.ts";

export function amountsToWire(amounts: Amounts): WireAmounts {
  return {
    $typeName: "maestro.v1.Amounts",
    tokens: BigInt(amounts.tokens),
    moneyMicros: BigInt(amounts.moneyMicros),
    wall: amounts.wallMs === 0 ? undefined : duration(amounts.wallMs),
    energyMillijoules: BigInt(amounts.energyMillijoules),
  };
}

export function amountsOf(wire: WireAmounts | undefined): Amounts {
  if (wire === undefined) return NOTHING;
  return {
    tokens: Number(wire.tokens),
    moneyMicros: Number(wire.moneyMicros),
    wallMs: wire.wall === undefined ? 0 : durationMs(wire.wall),
    energyMillijoules: Number(wire.energyMillijoules),
  };
}

export function budgetToWire(limits: Limits, currency: string): WireBudget {
  const big = (limit: number | null): bigint | undefined => (limit === null ? undefined : BigInt(limit));
  return {
    $typeName: "maestro.v1.Budget",
    currency,
    tokens: big(limits.tokens),
    moneyMicros: big(limits.moneyMicros),
    wall: optionalDuration(limits.wallMs),
    energyMillijoules: big(limits.energyMillijoules),
  };
}

export function budgetOf(wire: WireBudget | undefined): Budget {
  const number = (limit: bigint | undefined): number | null => (limit === undefined ? null : Number(limit));
  return {
    currency: wire?.currency ?? "",
    tokens: number(wire?.tokens),
    moneyMicros: number(wire?.moneyMicros),
    wallMs: optionalDurationMs(wire?.wall),
    energyMillijoules: number(wire?.energyMillijoules),
  };
}

export function ledgerToWire({ currency, allotted, held, spent, overrun, presumed }: Account): Ledger {
  return {
    $typeName: "maestro.v1.Ledger",
    currency,
    allotted: budgetToWire(allotted, currency),
    held: amountsToWire(held),
    spent: amountsToWire(spent),
    overrun: amountsToWire(overrun),
    presumed: amountsToWire(presumed),
  };
}
