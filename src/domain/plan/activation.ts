// New rows in the place of old ones: a graph version becomes active, or steps of the active one run again. Not here: which rows
// stay, which go and which are new (operations/succession.ts), and when a step may run again (rerun.ts).
import { exceeded, plus } from "../amounts.ts";
import type { Limits } from "../amounts.ts";
import { belowUsed } from "../budget.ts";
import type { Constraints } from "../goal.ts";
import type { Refusal } from "../refusal.ts";
import { hasEnded, hasNotBegun, STEP_FLAGS } from "../step.ts";
import type { StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { maybeFinish, stop, undoNext } from "./ending.ts";
import { claim } from "./lease.ts";
import type { Claim } from "./lease.ts";
import { unpark } from "./queue.ts";
import { arrive, settleDependents, withdraw } from "./ready.ts";
import { foresee } from "./resolve.ts";
import { MissingRows } from "./slice.ts";
import { conflict, stillCascading } from "./verb.ts";
import type { Verdict } from "./verb.ts";

/** Rows that come, go and change; the new ones and all edges are stored already. */
export interface Replacement {
  /** Current rows that come. */
  readonly added: number;
  /** Of these, the ones that wait for nothing and must be resolved or approved first. */
  readonly arrivals: readonly number[];
  /** Ended rows that stay and that new rows depend on. */
  readonly settled: readonly number[];
  /** Rows that are dropped or replaced. */
  readonly removed: readonly number[];
  /** Of the rows without a place, those whose effects must be undone before their successors run; see README.md. */
  readonly undoFirst?: readonly number[];
  /** Rows that stay and whose edges changed. */
  readonly rewired: readonly { readonly ordinal: number; readonly waitingOn: number }[];
  /** New rows that are READY already; the counters need no look at each. */
  readonly readyAtOnce: number;
  /** For some of the new rows that are READY already, executors that wait for them. */
  readonly claims: readonly Claim[];
}

export interface Activation extends Replacement {
  readonly version: number;
  /** Effective limits: the charter's and the goal's, or those of the re-plan. */
  readonly constraints: Constraints;
  readonly traceparent: string;
}

/** Makes a version the active one: O(what it changes). */
export function activate(draft: PlanDraft, activation: Activation): Verdict {
  const { plan, context } = draft;
  const first = plan.activeVersion === 0;
  const { budget, deadlineMs, minTrust } = activation.constraints;
  const no = mayNotActivate(draft, budget);
  if (no !== undefined) return no;
  plan.account = {
    ...plan.account,
    currency: budget.currency,
    allotted: {
      tokens: budget.tokens,
      moneyMicros: budget.moneyMicros,
      wallMs: budget.wallMs,
      energyMillijoules: budget.energyMillijoules,
    },
  };
  plan.minTrust = minTrust;
  plan.activeVersion = activation.version;
  plan.pendingVersion = 0;
  if (first) {
    plan.committedMs = context.nowMs;
    plan.traceparent = activation.traceparent;
  }
  plan.deadlineMs = deadlineMs === null ? null : (plan.committedMs ?? context.nowMs) + deadlineMs;
  replaceRows(draft, activation);
  return undefined;
}

/** Takes the new rows in and the old ones out; a plan that had ended runs again. Done effects that go are undone if they can be. */
export function replaceRows(draft: PlanDraft, replacement: Replacement): void {
  const { plan } = draft;
  const { undoFirst = [] } = replacement;
  if (plan.state !== "ACTIVE" && plan.state !== "SUSPENDED") draft.movePlan("ACTIVE");
  plan.finishedMs = null;
  plan.reason = "";
  draft.setGoal({ state: "ACTIVE", finishedMs: null });
  const missing = [
    ...replacement.removed,
    ...undoFirst,
    ...replacement.rewired.map((r) => r.ordinal),
    ...replacement.arrivals,
    ...replacement.settled,
  ].filter((o) => draft.find(o) === undefined);
  if (missing.length > 0) throw new MissingRows({ steps: missing });
  plan.stepsTotal += replacement.added;
  plan.nextOrdinal += replacement.added;
  if (plan.state === "SUSPENDED") plan.stepsStarved += replacement.readyAtOnce;
  for (const ordinal of undoFirst) draft.patch(ordinal, { flags: draft.step(ordinal).flags | STEP_FLAGS.UNDO_FIRST });
  let undo = false;
  for (const ordinal of replacement.removed) undo = drop(draft, draft.step(ordinal)) || undo;
  for (const { ordinal, waitingOn } of replacement.rewired) {
    if (draft.step(ordinal).state === "PENDING") draft.patch(ordinal, { waitingOn });
  }
  const rewired = replacement.rewired.filter(
    ({ ordinal, waitingOn }) => waitingOn === 0 && draft.step(ordinal).state === "PENDING",
  );
  settleArrivals(draft, [...replacement.arrivals, ...rewired.map(({ ordinal }) => ordinal)]);
  settleDependents(draft, replacement.settled);
  if (undo) undoNext(draft);
  // More may be authorised than before.
  if (plan.state === "ACTIVE") unpark(draft);
  for (const wanted of replacement.claims) claim(draft, wanted);
  maybeFinish(draft);
}

function mayNotActivate(draft: PlanDraft, budget: Limits): Refusal | undefined {
  const { plan } = draft;
  if (plan.ending !== null || plan.state === "COMPENSATING" || plan.state === "CANCELLED") {
    return conflict(
      "plan",
      plan.planId,
      plan.ending ?? plan.state,
      "The plan was cancelled, or is ending; no version can become active.",
    );
  }
  const { held, spent, presumed } = plan.account;
  const used = plus(plus(held, spent), presumed);
  const [over] = exceeded(used, budget);
  if (over !== undefined) return belowUsed(over, used[over], budget[over] ?? 0).refusal;
  return stillCascading(draft);
}

/** A row that has no place any more. True when it is to be undone. */
function drop(draft: PlanDraft, row: StepRow): boolean {
  const { plan } = draft;
  plan.stepsTotal -= 1;
  if (hasNotBegun(row.state) && !row.undoing) {
    if (row.state === "BACKING_OFF") draft.setTimer(row.ordinal, null);
    withdraw(draft, row.ordinal);
    draft.patch(row.ordinal, { current: false });
    draft.move(row.ordinal, "CANCELLED", { waitingOn: 0 });
    return false;
  }
  draft.patch(row.ordinal, { current: false });
  if (row.state === "LEASED" && !row.undoing) stop(draft, draft.step(row.ordinal), "its row was replaced");
  return row.state === "SUCCEEDED";
}

/** These wait for nothing any more, unless they ended meanwhile. */
export function settleArrivals(draft: PlanDraft, ordinals: readonly number[]): void {
  foresee(draft, ordinals);
  settleDependents(
    draft,
    ordinals.filter((ordinal) => !hasEnded(draft.step(ordinal).state) && arrive(draft, ordinal) === "ended"),
  );
}
