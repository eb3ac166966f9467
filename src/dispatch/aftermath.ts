// What follows a commit: leases are noted, acknowledgements and assignments sent, windows fed, watchers told. Nothing here
// may fail the batch. Not here: deciding.
import type { Amounts } from "../domain/amounts.ts";
import type { Assignment, LeaseRef, Receipt } from "../domain/outcome.ts";
import type { StopOrderDraft } from "../domain/plan/draft.ts";
import type { OrgId, PlanId } from "../domain/id.ts";
import type { PlanRow } from "../domain/plan.ts";
import type { Decision } from "../domain/refusal.ts";
import type { StepRow } from "../domain/step.ts";
import { batchKey } from "../store/ports/batches.ts";
import type { BatchInput } from "../store/ports/batches.ts";
import type { PlanResult } from "./decide-batch.ts";
import type { LeaseTable } from "./leases.ts";
import type { Listeners } from "./listeners.ts";
import type { Taker } from "./takers.ts";
import type { Windows } from "./windows.ts";
import { NOTHING } from "../domain/amounts.ts";

export interface AftermathOptions {
  readonly leases: LeaseTable;
  readonly windows: Windows;
  readonly listeners: Listeners;
  /** Demand classes of these orgs are not known yet. */
  readonly unknownDemands: (orgs: ReadonlySet<OrgId>) => void;
  readonly sendStop: (stop: StopOrderDraft) => void;
  readonly expectTimer: (dueMs: number) => void;
  readonly cascade: (orgId: OrgId, planId: PlanId) => void;
  readonly poke: () => void;
}

export function aftermath(
  results: readonly PlanResult[],
  inputs: ReadonlyMap<string, BatchInput>,
  nowMs: number,
  options: AftermathOptions,
): void {
  const given = new Map<Taker, Assignment[]>();
  const answers: { readonly done: (result: Decision<Receipt>) => void; readonly result: Decision<Receipt> }[] = [];
  for (const result of results) {
    const { plan } = result;
    const leasedHere = new Set<number>();
    for (const effect of result.effects) {
      switch (effect.kind) {
        case "answered":
          answers.push({ done: effect.item.done, result: effect.result });
          break;
        case "leased": {
          leasedHere.add(effect.row.ordinal);
          effect.taker.release();
          options.leases.add(plan.orgId, effect.row);
          const list = given.get(effect.taker) ?? [];
          list.push(
            assignmentOf(effect.row, result, inputs.get(batchKey(plan.planId, effect.row.ordinal)), options.windows),
          );
          given.set(effect.taker, list);
          tellLeased(effect.row, plan, nowMs, options.listeners);
          break;
        }
        case "not-leased":
          effect.taker.release();
          break;
        case "ended":
          options.leases.remove(plan.planId, effect.ordinal, effect.fencing);
          break;
        case "adopted":
          options.leases.add(plan.orgId, effect.row);
          break;
        case "rehomed":
          if (effect.row !== null) options.leases.add(plan.orgId, effect.row);
          effect.item.done(effect.row);
          break;
        case "renewed":
          // A call may renew here what another server gave: from now on it is this one that must end it.
          if (effect.row !== null) options.leases.add(plan.orgId, effect.row);
          effect.item.done(effect.state);
          break;
        case "swept":
          effect.item.done();
          break;
      }
    }
    const unknown = options.windows.offer(result.ready.filter((step) => !leasedHere.has(step.ordinal)));
    if (unknown.size > 0) options.unknownDemands(unknown);
    if (result.nextTimerMs !== null) options.expectTimer(result.nextTimerMs);
    if (result.cascade) options.cascade(plan.orgId, plan.planId);
    for (const stop of result.stops) options.sendStop(stop);
    if (result.changed && options.listeners.has(plan.planId))
      options.listeners.moved(plan.orgId, { planId: plan.planId, recordSeq: plan.recordSeq, state: plan.state });
  }
  // Acknowledgements first: an executor is never told of more steps than it has slots.
  for (const { done, result } of answers) done(result);
  for (const [taker, assignments] of given) taker.deliver(assignments);
  options.poke();
}

function assignmentOf(row: StepRow, result: PlanResult, input: BatchInput | undefined, windows: Windows): Assignment {
  const { plan } = result;
  const lease: LeaseRef = { planId: plan.planId, step: row.key, ordinal: row.ordinal, fencing: row.fencing };
  const hold: Amounts = row.undoing ? NOTHING : row.hold;
  return {
    lease,
    undoing: row.undoing,
    capability: windows.demand(row.demandId)?.capability ?? "",
    attempt: row.attempt,
    input: input?.input ?? null,
    deadlineMs: row.deadlineMs ?? 0,
    hold,
    remaining: result.remaining,
    currency: plan.account.currency,
    checkpoint: input?.checkpoint ?? null,
    traceparent: plan.traceparent,
    readyMs: row.readyMs ?? 0,
    executorId: row.executorId ?? ("" as never),
  };
}

function tellLeased(row: StepRow, plan: PlanRow, nowMs: number, listeners: Listeners): void {
  if (row.executorId === null || !listeners.has(row.planId)) return;
  listeners.passing(plan.orgId, {
    planId: row.planId,
    after: plan.recordSeq,
    atMs: nowMs,
    kind: "step.leased",
    step: row.key,
    ordinal: row.ordinal,
    attempt: row.attempt,
    executorId: row.executorId,
    fencing: row.fencing,
    message: "",
    progress: 0,
    lines: [],
  });
}
