// The door to all decisions on a plan: one command, one draft, one answer. Not here: loading and saving, nor batches.
import type { ApprovalId, ReadyStep, RecordId } from "../id.ts";
import { decided } from "../refusal.ts";
import type { Decision, Refusal } from "../refusal.ts";
import { activate } from "./activation.ts";
import type { Activation, Replacement } from "./activation.ts";
import { cancel, decideApproval, hold, release, requestRatification, resume, retry, skip, suspend } from "./control.ts";
import type { Ratification } from "./control.ts";
import { outputsText, resolveByHand } from "./by-hand.ts";
import type { ByHand } from "./by-hand.ts";
import { CHANGES_LIMIT, PlanDraft } from "./draft.ts";
import type { DecideContext, StopOrderDraft } from "./draft.ts";
import { maybeFinish, sweep } from "./ending.ts";
import type { Claim } from "./lease.ts";
import { makeReady, orderKeyAt } from "./queue.ts";
import { settleDependents } from "./ready.ts";
import { rerun } from "./rerun.ts";
import type { RerunOrder, RerunStory } from "./rerun.ts";
import { MissingRows } from "./slice.ts";
import type { PlanChanges, PlanSlice } from "./slice.ts";
import type { StepRow } from "../step.ts";

export type PlanCommand =
  | { readonly kind: "suspend" | "resume"; readonly reason: string }
  | { readonly kind: "cancel"; readonly reason: string; readonly compensate: boolean }
  | { readonly kind: "retry" | "skip" | "hold" | "release"; readonly ordinal: number; readonly reason: string }
  | {
      readonly kind: "decide-approval";
      readonly approvalId: ApprovalId;
      readonly approve: boolean;
      readonly comment: string;
    }
  | ({ readonly kind: "resolve" } & ByHand)
  | {
      readonly kind: "rerun";
      /** Its new row. */ readonly ordinal: number;
      readonly reason: string;
      readonly cascade: boolean;
      readonly order: RerunOrder;
      readonly replacement: Replacement;
      readonly story: RerunStory;
    }
  | ({
      readonly kind: "activate";
      /** Operation for the record: graph.commit or graph.replan. */ readonly operation: string;
      readonly reason: string;
    } & Activation)
  | ({ readonly kind: "request-ratification"; readonly operation: string } & Ratification);

export interface PlanDecision {
  readonly changes: PlanChanges;
  readonly recordId: RecordId;
  readonly stops: readonly StopOrderDraft[];
  /** Steps that became ready, for the windows. */
  readonly ready: readonly ReadyStep[];
  /** Rows that were leased by the claims of an activation. */
  readonly leased: readonly StepRow[];
  /** For request-ratification. */
  readonly approvalId: ApprovalId | null;
}

/** Carries out one command; throws MissingRows when the slice must be completed first. */
export function decidePlan(slice: PlanSlice, command: PlanCommand, context: DecideContext): Decision<PlanDecision> {
  const draft = new PlanDraft(slice, context);
  const recordId = draft.newRecordId();
  let approvalId: ApprovalId | null = null;
  let no: Refusal | undefined;
  switch (command.kind) {
    case "suspend":
      no = suspend(draft);
      break;
    case "resume":
      no = resume(draft);
      break;
    case "cancel":
      no = cancel(draft, command.reason, command.compensate);
      break;
    case "retry":
      no = retry(draft, command.ordinal);
      break;
    case "skip":
      no = skip(draft, command.ordinal);
      break;
    case "hold":
      no = hold(draft, command.ordinal);
      break;
    case "release":
      no = release(draft, command.ordinal);
      break;
    case "decide-approval":
      no = decideApproval(draft, command.approvalId, command.approve, command.comment);
      break;
    case "resolve":
      no = resolveByHand(draft, command, recordId);
      break;
    case "rerun":
      no = rerun(draft, command.replacement);
      break;
    case "activate":
      no = activate(draft, command);
      break;
    case "request-ratification":
      approvalId = requestRatification(draft, command).approvalId;
      break;
  }
  if (no !== undefined) return { ok: false, refusal: no };
  draft.record(operationOf(command), bodyOf(draft, command, approvalId), {
    id: recordId,
    payload: command.kind === "resolve" ? outputsText(command) : null,
  });
  const leased = leasedBy(draft, claimsOf(command));
  const ready = readySteps(draft);
  return decided({ changes: draft.changes(), recordId, stops: draft.stops, ready, leased, approvalId });
}

function claimsOf(command: PlanCommand): readonly Claim[] {
  if (command.kind === "rerun") return command.replacement.claims;
  return command.kind === "activate" ? command.claims : [];
}

function leasedBy(draft: PlanDraft, claims: readonly Claim[]): readonly StepRow[] {
  return claims.map(({ ordinal }) => draft.step(ordinal)).filter((row) => row.state === "LEASED");
}

/** Steps that are in the ready set as the draft leaves them, of those that became ready in it. */
export function readySteps(draft: PlanDraft): readonly ReadyStep[] {
  const { orgId, planId } = draft.plan;
  return draft.ready.flatMap((ordinal) => {
    const row = draft.step(ordinal);
    return row.orderKey === null ? [] : [{ orgId, planId, ordinal, demandId: row.demandId, orderKey: row.orderKey }];
  });
}

function operationOf(command: PlanCommand): string {
  switch (command.kind) {
    case "suspend":
    case "resume":
    case "cancel":
      return `plan.${command.kind}`;
    case "retry":
    case "skip":
    case "hold":
    case "release":
    case "resolve":
    case "rerun":
      return `step.${command.kind}`;
    case "decide-approval":
      return "approval.decide";
    case "activate":
    case "request-ratification":
      return command.operation;
  }
}

function bodyOf(
  draft: PlanDraft,
  command: PlanCommand,
  approvalId: ApprovalId | null,
): Readonly<Record<string, unknown>> {
  const state = { plan_state: draft.plan.state };
  switch (command.kind) {
    case "suspend":
    case "resume":
      return { ...state, reason: command.reason };
    case "cancel":
      return { ...state, reason: command.reason, compensate: command.compensate };
    case "retry":
    case "skip":
    case "hold":
    case "release": {
      const row = draft.step(command.ordinal);
      return { step: row.key, ordinal: row.ordinal, state: row.state, reason: command.reason };
    }
    case "resolve": {
      const row = draft.step(command.ordinal);
      const { result, usage } = command;
      return {
        step: row.key,
        ordinal: row.ordinal,
        state: row.state,
        fencing: row.fencing,
        attempt: row.attempt,
        reason: command.reason,
        usage,
        ...(row.undoing ? { undoing: true } : {}),
        ...(result.kind === "failure"
          ? { error_class: result.failure.errorClass, message: result.failure.message.slice(0, 4_096) }
          : { outputs_digest: result.outputsDigest }),
      };
    }
    case "rerun": {
      const { rerun: again, stale, compensated, notCompensable, stopped } = command.story;
      const named = (keys: readonly string[]): readonly string[] => keys.slice(0, CHANGES_LIMIT);
      const row = draft.step(command.ordinal);
      return {
        ...state,
        step: row.key,
        ordinal: row.ordinal,
        state: row.state,
        reason: command.reason,
        cascade: command.cascade,
        order: command.order,
        rerun: named(again),
        stale: named(stale),
        compensated: named(compensated),
        not_compensable: named(notCompensable),
        stopped: named(stopped),
      };
    }
    case "decide-approval":
      return { ...state, approval: command.approvalId, approved: command.approve, comment: command.comment };
    case "activate":
      return {
        ...state,
        version: command.version,
        reason: command.reason,
        added: command.added,
        removed: command.removed.length,
        allotted: draft.plan.account.allotted,
        deadline: draft.plan.deadlineMs,
      };
    case "request-ratification":
      return { ...state, version: command.version, digest: command.digest, approval: approvalId };
  }
}

/** Steps whose backoff is over; steps that moved on meanwhile are passed over. */
export function wakeStep(draft: PlanDraft, ordinal: number): void {
  const row = draft.step(ordinal);
  draft.setTimer(ordinal, null);
  if (row.state !== "BACKING_OFF" || (row.notBeforeMs ?? 0) > draft.context.nowMs) {
    if (row.state === "BACKING_OFF") draft.setTimer(ordinal, row.notBeforeMs);
    return;
  }
  if (row.undoing) {
    draft.move(ordinal, "COMPENSATING", {
      orderKey: orderKeyAt(draft.plan, draft.context.nowMs, row.boostMs, ordinal),
      readyMs: draft.context.nowMs,
      notBeforeMs: null,
    });
    draft.ready.push(ordinal);
  } else {
    makeReady(draft, ordinal);
    draft.patch(ordinal, { notBeforeMs: null });
  }
}

/** One chunk of a cascade or sweep that was left over. */
export function continueCascade(draft: PlanDraft): void {
  const { cascade } = draft.slice;
  if (cascade === undefined) throw new MissingRows({ cascade: true });
  if (cascade === null) return;
  if (cascade.frontier.length === 0) {
    draft.cascade = cascade;
    sweep(draft);
  } else {
    draft.cascade = null;
    settleDependents(draft, cascade.frontier, cascade.sweepFrom);
    maybeFinish(draft);
  }
  draft.record(
    "plan.cascade",
    { left: draft.cascade?.frontier.length ?? 0, sweep_from: draft.cascade?.sweepFrom ?? null },
    { actor: "maestro" },
  );
}
