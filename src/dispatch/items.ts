// Items: what a batch can be asked to do with a plan, and how each is decided. Not here: making batches, see batcher.ts.
import { GATEKEEPER } from "../domain/gate.ts";
import type { ExecutorId, OrgId, PlanId, ReadyStep, SessionId } from "../domain/id.ts";
import type { Failure, LeaseRef, Outcome, Receipt } from "../domain/outcome.ts";
import { overdue } from "../domain/plan/control.ts";
import { continueCascade, wakeStep } from "../domain/plan/decide.ts";
import type { PlanDraft } from "../domain/plan/draft.ts";
import { claim, loseLease } from "../domain/plan/lease.ts";
import { isLive } from "../domain/plan/live.ts";
import { report } from "../domain/plan/report.ts";
import type { StageNotes } from "../domain/record.ts";
import { refusal } from "../domain/refusal.ts";
import type { Decision, Refusal } from "../domain/refusal.ts";
import type { StepRow } from "../domain/step.ts";
import type { BatchKey } from "../store/ports/batches.ts";
import type { Taker } from "./takers.ts";

/** Why a lease that calls keep ends: its time is over, unless the store knows better. */
export const NOT_RENEWED = "the lease was not renewed";

/** Unknown: nothing can be said of the lease now. Whoever holds it goes on, and asks again. */
export type RenewState = "renewed" | "lost" | "stopping" | "unknown";

interface ItemBase {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  /** Times that its plan was held by another server. */
  deferrals: number;
  /** The batch that carried it may have been committed. */
  again?: boolean;
}

export type Item = ItemBase &
  (
    | {
        readonly kind: "outcome";
        readonly outcome: Outcome;
        readonly executorId: ExecutorId;
        readonly actor: string;
        readonly stages: StageNotes;
        readonly key?: BatchKey | undefined;
        readonly done: (result: Decision<Receipt>) => void;
      }
    | {
        readonly kind: "claim";
        readonly ordinal: number;
        readonly taker: Taker;
        readonly handover: boolean;
        /** The entry of the window that it was taken from. */ readonly from?: ReadyStep;
        /** Only hands out again what was leased under this number. */ readonly recall?: number;
      }
    | {
        readonly kind: "loss";
        readonly ordinal: number;
        readonly fencing: number;
        readonly failure: Failure;
        /** The session of ours that it was in when it was last heard of. */ readonly under: SessionId | null;
        /** It could not be carried out: the lease stands. */ readonly refused: (no: Refusal) => void;
      }
    /** A lease of a lapsed session: adopted when calls keep it alive, lost otherwise. */
    | {
        readonly kind: "sweep";
        readonly ordinal: number;
        readonly fencing: number;
        /** The session that lapsed. */ readonly lapsed: SessionId;
        readonly done: () => void;
      }
    | {
        readonly kind: "rehome";
        readonly lease: LeaseRef;
        readonly executorId: ExecutorId;
        /** Null when the lease is lost. */ readonly done: (row: StepRow | null | "unknown") => void;
      }
    | {
        readonly kind: "renew";
        readonly lease: LeaseRef;
        readonly executorId: ExecutorId;
        readonly leaseMs: number | null;
        readonly checkpoint: string | null;
        /** Of a lease in our table, the session of ours that it was in: one that another server has by now is lost to us. */
        readonly under?: SessionId | null;
        readonly done: (state: RenewState, no?: Refusal) => void;
      }
    | { readonly kind: "wake"; readonly ordinal: number }
    | { readonly kind: "cascade" }
    | { readonly kind: "overdue" }
  );

/** What became of an item in a draft; carried out after the commit. */
export type Effect =
  | { readonly kind: "answered"; readonly item: Extract<Item, { kind: "outcome" }>; readonly result: Decision<Receipt> }
  | { readonly kind: "leased"; readonly taker: Taker; readonly row: StepRow; readonly handedOver: boolean }
  | { readonly kind: "not-leased"; readonly taker: Taker }
  | { readonly kind: "ended"; readonly ordinal: number; readonly fencing: number }
  | { readonly kind: "adopted"; readonly row: StepRow }
  | { readonly kind: "rehomed"; readonly item: Extract<Item, { kind: "rehome" }>; readonly row: StepRow | null }
  | {
      readonly kind: "renewed";
      readonly item: Extract<Item, { kind: "renew" }>;
      readonly state: RenewState;
      /** Null when the lease is lost; otherwise it is in the present session, wherever it was before. */ readonly row: StepRow | null;
    }
  | { readonly kind: "swept"; readonly item: Extract<Item, { kind: "sweep" }> };

/** Decides one item in a draft. May throw MissingRows. */
export function decideItem(draft: PlanDraft, item: Item, sessionId: SessionId): readonly Effect[] {
  draft.actor = item.kind === "outcome" ? item.actor : "maestro";
  draft.stages = item.kind === "outcome" ? item.stages : null;
  // A row that cannot be there would be asked for without end.
  if ((item.kind === "rehome" || item.kind === "renew") && !mayExist(draft, item.lease.ordinal)) {
    return [
      item.kind === "rehome"
        ? { kind: "rehomed", item, row: null }
        : { kind: "renewed", item, state: "lost", row: null },
    ];
  }
  switch (item.kind) {
    case "outcome": {
      const result = report(draft, item.outcome, item.executorId);
      const { ordinal, fencing } = item.outcome.lease;
      return [
        { kind: "answered", item, result },
        // A report that is refused may name a lease that lives: it stays among those that are watched.
        ...(isLive(draft.find(ordinal), fencing) ? [] : [{ kind: "ended" as const, ordinal, fencing }]),
      ];
    }
    case "claim":
      return decideClaim(draft, item, sessionId);
    case "loss": {
      const row = draft.step(item.ordinal);
      const renewed = (row.leaseUntilMs ?? 0) > draft.context.nowMs && isLive(row, item.fencing);
      // A renewal came in between: it goes on, under whoever renewed it.
      if (item.failure.message === NOT_RENEWED && renewed)
        return row.sessionId === sessionId
          ? [{ kind: "adopted", row }]
          : [{ kind: "ended", ordinal: item.ordinal, fencing: item.fencing }];
      // Its executor may have carried it over to another server, whose it is now.
      if ([sessionId, item.under].includes(draft.step(item.ordinal).sessionId))
        loseLease(draft, item.ordinal, item.fencing, item.failure);
      // Ended here or ended before: either way this server must not count it among its leases any longer.
      return [{ kind: "ended", ordinal: item.ordinal, fencing: item.fencing }];
    }
    case "sweep": {
      const row = draft.step(item.ordinal);
      // Whoever it was carried over to since it was listed keeps it.
      if (isLive(row, item.fencing) && row.sessionId === item.lapsed) {
        if ((row.leaseUntilMs ?? 0) > draft.context.nowMs) {
          draft.patch(item.ordinal, { sessionId });
          return [
            { kind: "adopted", row: draft.step(item.ordinal) },
            { kind: "swept", item },
          ];
        }
        loseLease(draft, item.ordinal, item.fencing, {
          errorClass: "LOST",
          // A gate is performed by servers, whose place any other takes.
          message:
            row.executorId === GATEKEEPER
              ? "the server that judged it was gone; it is judged again"
              : "the executor did not come back after its server was gone",
          details: "",
        });
      }
      return [{ kind: "swept", item }];
    }
    case "rehome": {
      const row = draft.step(item.lease.ordinal);
      const mine = isLive(row, item.lease.fencing) && row.executorId === item.executorId && row.key === item.lease.step;
      if (!mine) return [{ kind: "rehomed", item, row: null }];
      if (row.sessionId !== sessionId) draft.patch(row.ordinal, { sessionId });
      return [{ kind: "rehomed", item, row: draft.step(row.ordinal) }];
    }
    case "renew": {
      const state = renew(draft, item, sessionId);
      return [{ kind: "renewed", item, state, row: state === "lost" ? null : draft.step(item.lease.ordinal) }];
    }
    case "wake":
      wakeStep(draft, item.ordinal);
      return [];
    case "cascade":
      continueCascade(draft);
      return [];
    case "overdue":
      overdue(draft);
      return [];
  }
}

function decideClaim(
  draft: PlanDraft,
  item: Extract<Item, { kind: "claim" }>,
  sessionId: SessionId,
): readonly Effect[] {
  const { taker, ordinal } = item;
  const before = draft.step(ordinal);
  if (item.recall !== undefined) {
    const mine = isLive(before, item.recall) && before.executorId === taker.executor.executorId;
    return [mine ? { kind: "leased", taker, row: before, handedOver: false } : { kind: "not-leased", taker }];
  }
  // After a COMMIT with unknown result the claim runs again: a lease that is ours already is adopted, not lost.
  if (
    before.state === "LEASED" &&
    before.sessionId === sessionId &&
    before.executorId === taker.executor.executorId &&
    item.again === true
  )
    return [{ kind: "leased", taker, row: before, handedOver: false }];
  const row = claim(draft, { ordinal, executorId: taker.executor.executorId, sessionId, leaseMs: taker.leaseMs });
  return row === undefined
    ? [{ kind: "not-leased", taker }]
    : [{ kind: "leased", taker, row, handedOver: item.handover }];
}

function renew(draft: PlanDraft, item: Extract<Item, { kind: "renew" }>, sessionId: SessionId): RenewState {
  const row = draft.step(item.lease.ordinal);
  if (!isLive(row, item.lease.fencing) || row.executorId !== item.executorId) return "lost";
  if (item.under !== undefined && row.sessionId !== sessionId && row.sessionId !== item.under) return "lost";
  if (item.leaseMs !== null || row.sessionId !== sessionId) {
    draft.patch(row.ordinal, {
      sessionId,
      ...(item.leaseMs === null ? {} : { leaseUntilMs: draft.context.nowMs + item.leaseMs }),
    });
  }
  if (item.checkpoint !== null) draft.setCheckpoint(row.ordinal, row.fencing, item.checkpoint);
  return row.state === "STOPPING" ? "stopping" : "renewed";
}

function mayExist(draft: PlanDraft, ordinal: number): boolean {
  return ordinal >= 1 && ordinal < draft.plan.nextOrdinal;
}

/** Steps that the item reads; their children as well when it can end one. */
export function rowsOf(item: Item): { readonly ordinals: readonly number[]; readonly childrenOf: readonly number[] } {
  switch (item.kind) {
    case "outcome":
      return {
        ordinals: [item.outcome.lease.ordinal],
        childrenOf: item.outcome.result.kind === "success" ? [item.outcome.lease.ordinal] : [],
      };
    case "claim":
    case "loss":
    case "sweep":
    case "wake":
      return { ordinals: [item.ordinal], childrenOf: [] };
    case "rehome":
    case "renew":
      return { ordinals: [item.lease.ordinal], childrenOf: [] };
    case "cascade":
    case "overdue":
      return { ordinals: [], childrenOf: [] };
  }
}

/** The step that an item is about; 0 for the plan as a whole. */
export function ordinalOf(item: Item): number {
  if (item.kind === "outcome") return item.outcome.lease.ordinal;
  if (item.kind === "rehome" || item.kind === "renew") return item.lease.ordinal;
  return item.kind === "cascade" || item.kind === "overdue" ? 0 : item.ordinal;
}

/** A bug of ours, where there is no call of its own that could fail with it. */
export const BUG: Refusal = refusal("UNAVAILABLE", "Something went wrong in the server; its log says what.", {
  rule: "internal",
  lifter: "NOBODY",
  retryable: false,
});

/** Answers an item that could not be carried out. That nothing can be said of a lease does not mean that it is lost. */
export function refuseItem(item: Item, no: Refusal): void {
  // Without its plan there is no lease either.
  const gone = no.reason === "NOT_FOUND";
  switch (item.kind) {
    case "outcome":
      item.done({ ok: false, refusal: no });
      return;
    case "rehome":
      item.done(gone ? null : "unknown");
      return;
    case "renew":
      item.done(gone ? "lost" : "unknown", no);
      return;
    case "sweep":
      item.done();
      return;
    case "claim":
      item.taker.release();
      return;
    case "loss":
      item.refused(no);
      return;
    case "wake":
    case "cascade":
    case "overdue":
      return;
  }
}
