// Deciding a plan's share of a batch, with handover of what becomes ready. Pure but for the credit of takers, which is
// given back when the decision is made again. Not here: loading, committing, telling.
import type { SessionId } from "../domain/id.ts";
import { PlanDraft } from "../domain/plan/draft.ts";
import type { DecideContext, StopOrderDraft } from "../domain/plan/draft.ts";
import { readySteps } from "../domain/plan/decide.ts";
import { consumedKeys } from "../domain/plan/resolve.ts";
import { MissingRows } from "../domain/plan/slice.ts";
import type { Needs, PlanSlice } from "../domain/plan/slice.ts";
import { remaining } from "../domain/plan.ts";
import type { PlanRow } from "../domain/plan.ts";
import type { PlanId, ReadyStep } from "../domain/id.ts";
import type { Limits } from "../domain/amounts.ts";
import { has, hasEnded, STEP_FLAGS } from "../domain/step.ts";
import type { StepRow } from "../domain/step.ts";
import type { PlanVerdict } from "../store/ports/batches.ts";
import { decideItem } from "./items.ts";
import type { Effect, Item } from "./items.ts";
import type { FreedSlots } from "./freed-slots.ts";
import type { LeaseTable } from "./leases.ts";
import { takerFor } from "./takers.ts";
import type { Taker } from "./takers.ts";
import type { Windows } from "./windows.ts";

/** What a plan's share came to, kept until the commit. */
export interface PlanResult {
  readonly plan: PlanRow;
  readonly effects: readonly Effect[];
  readonly stops: readonly StopOrderDraft[];
  readonly ready: readonly ReadyStep[];
  readonly remaining: Limits;
  readonly changed: boolean;
  /** When the first of the backoffs that it set ends. */
  readonly nextTimerMs: number | null;
  /** A cascade is left over. */
  readonly cascade: boolean;
}

export interface ShareOptions {
  readonly context: DecideContext;
  readonly sessionId: SessionId;
  readonly windows: Windows;
  /** Takers that could be handed a step of this plan's org now, in turn. */
  readonly takers: readonly Taker[];
  /** A claim of this step is a bug: it is not handed over either. */
  readonly isAside: (planId: PlanId, ordinal: number) => boolean;
  readonly leases: Pick<LeaseTable, "get">;
  /** Slots of leases that the batch ends: it gives them away itself, nobody else does before its commit. */
  readonly freed: FreedSlots;
  /** Steps that the batch may still lease. */
  readonly room: { left: number };
}

/** Decides all items of one plan. Re-entrant: `previous` is what the last try took and is given back first. */
export function decideShare(
  slice: PlanSlice,
  items: readonly Item[],
  options: ShareOptions,
  previous: PlanResult | undefined,
): { readonly verdict: PlanVerdict; readonly result: PlanResult | undefined } {
  if (previous !== undefined) giveBack(previous.effects, slice.plan.planId, options);
  const draft = new PlanDraft(slice, options.context);
  const effects: Effect[] = [];
  try {
    for (const item of items) {
      for (const effect of decideItem(draft, item, options.sessionId)) {
        effects.push(effect);
        if (effect.kind !== "ended") continue;
        const entry = options.leases.get(slice.plan.planId, effect.ordinal, effect.fencing);
        if (entry !== undefined) options.freed.add(entry);
      }
    }
    handOver(draft, options, effects);
  } catch (error) {
    giveBack(effects, slice.plan.planId, options);
    if (error instanceof MissingRows)
      return { verdict: { kind: "needs", needs: alsoFor(items, slice, error.needs) }, result: undefined };
    throw error;
  }
  const result: PlanResult = {
    plan: draft.plan,
    effects,
    stops: draft.stops,
    ready: readySteps(draft),
    remaining: remaining(draft.plan.account),
    changed: draft.touched,
    ...later(draft),
  };
  if (!draft.touched) return { verdict: { kind: "nothing" }, result };
  const leased = effects.flatMap((e) =>
    e.kind === "leased"
      ? [
          {
            orgId: draft.plan.orgId,
            planId: draft.plan.planId,
            ordinal: e.row.ordinal,
            undoing: e.row.undoing,
            again: e.row.attempt > 1,
          },
        ]
      : [],
  );
  return { verdict: { kind: "changes", changes: draft.changes(), leased }, result };
}

function later(draft: PlanDraft): Pick<PlanResult, "nextTimerMs" | "cascade"> {
  const due = draft.timersSet();
  return {
    nextTimerMs: due.length === 0 ? null : Math.min(...due),
    cascade: draft.cascade !== undefined && draft.cascade !== null,
  };
}

/** What one item asks for is asked for all items of the batch at once, not one round trip each. */
function alsoFor(items: readonly Item[], slice: PlanSlice, needs: Needs): Needs {
  const reported = items.flatMap((item) => {
    if (item.kind === "loss") return [{ ordinal: item.ordinal, failed: true }];
    if (item.kind !== "outcome") return [];
    return [{ ordinal: item.outcome.lease.ordinal, failed: item.outcome.result.kind !== "success" }];
  });
  const childrenOf = reported.map(({ ordinal }) => ordinal).filter((ordinal) => !slice.children.has(ordinal));
  const definitions = reported.flatMap(({ ordinal, failed }) => [
    ...(failed ? [ordinal] : []),
    ...(slice.children.get(ordinal) ?? []).map(({ to }) => to).filter((to) => isDynamic(slice.steps.get(to))),
  ]);
  const results = [...slice.definitions.values()].flatMap(consumedKeys).filter((key) => !slice.results.has(key));
  const united = <T>(asked: readonly T[], more: readonly T[]): readonly T[] => [...new Set([...asked, ...more])];
  return {
    ...needs,
    ...(needs.childrenOf !== undefined && { childrenOf: united(needs.childrenOf, childrenOf) }),
    ...(needs.definitions !== undefined && {
      definitions: united(
        needs.definitions,
        definitions.filter((ordinal) => !slice.definitions.has(ordinal)),
      ),
    }),
    ...(needs.results !== undefined && { results: united(needs.results, results) }),
  };
}

function isDynamic(row: StepRow | undefined): boolean {
  return row !== undefined && has(row.flags, STEP_FLAGS.DYNAMIC) && !hasEnded(row.state);
}

/** Leases what became ready to takers that can serve it, as long as that overtakes nobody by more than the bound. */
function handOver(draft: PlanDraft, options: ShareOptions, effects: Effect[]): void {
  if (options.takers.length === 0) return;
  for (const ordinal of [...draft.ready]) {
    if (options.room.left <= 0) break;
    const row = draft.step(ordinal);
    if (row.orderKey === null || options.isAside(draft.plan.planId, ordinal)) continue;
    const taker = takerFor(
      { demandId: row.demandId, orderKey: row.orderKey },
      options.windows,
      options.takers,
      options.freed,
    );
    if (taker === undefined) continue;
    const item: Item = {
      kind: "claim",
      orgId: draft.plan.orgId,
      planId: draft.plan.planId,
      deferrals: 0,
      ordinal,
      taker,
      handover: true,
    };
    for (const effect of decideItem(draft, item, options.sessionId)) {
      if (effect.kind === "not-leased") continue;
      effects.push(effect);
      if (effect.kind !== "leased") continue;
      taker.reserve();
      options.room.left -= 1;
    }
  }
}

/** What an abandoned try had reserved and freed. Claims from windows keep theirs: they are part of the items. */
function giveBack(effects: readonly Effect[], planId: PlanId, options: ShareOptions): void {
  for (const effect of effects) {
    if (effect.kind === "ended") options.freed.remove(planId, effect.ordinal, effect.fencing);
    if (effect.kind === "leased" && effect.handedOver) {
      effect.taker.release();
      options.room.left += 1;
    }
  }
}
