// The shares of plans in a batch: what is asked of the store for them, and what is kept with them. Not here: deciding them, see
// decide-batch.ts.
import type { PlanId, PlanRef } from "../domain/id.ts";
import type { LeaseRef } from "../domain/outcome.ts";
import type { BatchKey, BatchPlan } from "../store/ports/batches.ts";
import type { PlanResult } from "./decide-batch.ts";
import { rowsOf } from "./items.ts";
import type { Item } from "./items.ts";
import type { Taker } from "./takers.ts";

/** Items by their plans, in order. */
export function byPlanOf(items: readonly Item[]): ReadonlyMap<string, readonly Item[]> {
  const byPlan = new Map<string, Item[]>();
  for (const item of items) {
    const list = byPlan.get(planKey(item));
    if (list === undefined) byPlan.set(planKey(item), [item]);
    else list.push(item);
  }
  return byPlan;
}

/** What a batch that failed had handed over on its own account, as claims. */
export function handoversOf(results: ReadonlyMap<PlanId, PlanResult>): Extract<Item, { kind: "claim" }>[] {
  return [...results.values()].flatMap(({ plan, effects }) =>
    effects.flatMap((effect) =>
      effect.kind === "leased" && effect.handedOver
        ? [
            {
              kind: "claim" as const,
              orgId: plan.orgId,
              planId: plan.planId,
              deferrals: 0,
              ordinal: effect.row.ordinal,
              taker: effect.taker,
              handover: false,
            },
          ]
        : [],
    ),
  );
}

/** Idempotency keys of the calls whose effects the batch carries. */
export function keysOf(
  byPlan: ReadonlyMap<string, readonly Item[]>,
  results: ReadonlyMap<PlanId, PlanResult>,
): readonly BatchKey[] {
  const keys: BatchKey[] = [];
  const leased = new Map<Taker, LeaseRef[]>();
  for (const { effects } of results.values()) {
    for (const effect of effects) {
      if (effect.kind !== "leased" || effect.taker.keyFor === null) continue;
      const list = leased.get(effect.taker) ?? [];
      list.push({
        planId: effect.row.planId,
        step: effect.row.key,
        ordinal: effect.row.ordinal,
        fencing: effect.row.fencing,
      });
      leased.set(effect.taker, list);
    }
  }
  for (const [taker, leases] of leased) if (taker.keyFor !== null) keys.push(taker.keyFor(leases));
  const seen = new Set<string>();
  for (const items of byPlan.values()) {
    for (const item of items) {
      if (item.kind !== "outcome" || item.key === undefined) continue;
      const { orgId, principal, key } = item.key.call;
      const id = `${orgId}/${principal}/${key}`;
      if (!seen.has(id)) keys.push(item.key);
      seen.add(id);
    }
  }
  return keys;
}

/** Org and plan: an id that another org names must never meet the plan's own items. */
export function planKey(plan: PlanRef): string {
  return `${plan.orgId}/${plan.planId}`;
}

export function plansOf(byPlan: ReadonlyMap<string, readonly Item[]>): readonly BatchPlan[] {
  const plans: BatchPlan[] = [];
  for (const items of byPlan.values()) {
    const [first] = items;
    if (first === undefined) continue;
    const rows = items.map(rowsOf);
    plans.push({
      orgId: first.orgId,
      planId: first.planId,
      ordinals: [...new Set(rows.flatMap((r) => r.ordinals))],
      childrenOf: [...new Set(rows.flatMap((r) => r.childrenOf))],
    });
  }
  return plans;
}
