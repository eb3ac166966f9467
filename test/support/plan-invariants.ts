// What always holds of a plan as a whole, recomputed from its rows in the plainest way. Not here: what holds of each row
// (plan-invariants-rows.ts) and of each write (plan-invariants-writes.ts), and making things happen (plan-events.ts).
import { DIMENSIONS, minus, MOST, NOTHING, plus, within } from "../../src/domain/amounts.ts";
import type { Amounts } from "../../src/domain/amounts.ts";
import { planHasEnded, takeHold } from "../../src/domain/plan.ts";
import { ended, failed, parked, running, succeeded } from "../../src/domain/plan/draft.ts";
import { has, hasEnded, STEP_FLAGS, STEP_TRANSITIONS } from "../../src/domain/step.ts";
import type { StepRow } from "../../src/domain/step.ts";
import { checkRow, checkWaiting } from "./plan-invariants-rows.ts";
import { isLeased, must } from "./plan-invariants-terms.ts";
import { checkWritten } from "./plan-invariants-writes.ts";
import { PlanStore } from "./plan-store.ts";

PlanStore.checks.push(checkWritten);

/** Holds between any two events. */
export function checkWorld(store: PlanStore): void {
  const { plan } = store;
  const rows = [...store.steps.values()];
  const current = rows.filter((r) => r.current);
  const sum = (of: (row: StepRow) => number): number => rows.reduce((n, row) => n + of(row), 0);
  const counters = {
    total: plan.stepsTotal,
    ended: plan.stepsEnded,
    succeeded: plan.stepsSucceeded,
    failed: plan.stepsFailed,
    running: plan.stepsRunning,
    starved: plan.stepsStarved,
  };
  const recomputed = {
    total: current.length,
    ended: sum(ended),
    succeeded: sum(succeeded),
    failed: sum(failed),
    running: sum(running),
    starved: sum(parked),
  };
  must(
    JSON.stringify(counters) === JSON.stringify(recomputed),
    "counters are the sums of the rows",
    counters,
    recomputed,
  );
  must(plan.nextOrdinal === rows.length + 1, "ordinals have no gaps", plan.nextOrdinal, rows.length);
  must(new Set(current.map((r) => r.key)).size === current.length, "one current row for each key");
  for (const row of rows) checkRow(store, row);
  if (plan.ending === null && !planHasEnded(plan.state)) checkWaiting(store);
  checkAccount(store);
  checkApprovals(store);
  must(
    rows.filter((r) => r.undoing && !hasEnded(r.state)).length +
      rows.filter((r) => r.state === "COMPENSATING").length <=
      1,
    "one effect is undone at a time",
  );
  if (planHasEnded(plan.state)) checkEnd(store);
  else if (plan.activeVersion > 0)
    must(
      movers(store).length > 0,
      "no plan gets stuck",
      plan.state,
      plan.ending,
      plan.stepsEnded,
      plan.stepsTotal,
      store.states(),
    );
}

function checkAccount(store: PlanStore): void {
  const { account } = store.plan;
  let held = NOTHING;
  for (const row of store.steps.values()) if (isLeased(row) && !row.undoing) held = plus(held, row.hold);
  let spent = NOTHING;
  let overrun = NOTHING;
  let presumed = NOTHING;
  for (const attempt of store.attempts.values()) {
    if (attempt.state === "LOST" && attempt.lateDigest === null) {
      presumed = plus(presumed, attempt.hold);
      continue;
    }
    const inside = { ...NOTHING };
    const beyond = { ...NOTHING };
    for (const d of DIMENSIONS) {
      inside[d] = account.allotted[d] === null ? attempt.usage[d] : Math.min(attempt.usage[d], attempt.hold[d]);
      beyond[d] = attempt.usage[d] - inside[d];
    }
    spent = plus(spent, inside);
    overrun = plus(overrun, beyond);
  }
  // What is spent and overrun stops together at the largest amount that is kept.
  const room = minus({ tokens: MOST, moneyMicros: MOST, wallMs: MOST, energyMillijoules: MOST }, spent);
  overrun = within(overrun, room);
  const kept = { held: account.held, spent: account.spent, overrun: account.overrun, presumed: account.presumed };
  for (const [name, amounts] of Object.entries({ held, spent, overrun, presumed })) {
    for (const d of DIMENSIONS)
      must(
        kept[name as keyof typeof kept][d] === amounts[d],
        `${name} ${d} is the sum of leases and attempts`,
        kept[name as keyof typeof kept][d],
        amounts[d],
      );
  }
  const authorised: Amounts = plus(plus(account.held, account.spent), account.presumed);
  for (const d of DIMENSIONS)
    must(
      account.allotted[d] === null || authorised[d] <= account.allotted[d],
      "what is authorised never exceeds the budget",
      d,
      authorised,
      account.allotted,
    );
}

function checkApprovals(store: PlanStore): void {
  const asked = new Map<number, number>();
  for (const approval of store.pending)
    if (approval.ordinal !== null) asked.set(approval.ordinal, (asked.get(approval.ordinal) ?? 0) + 1);
  // A sweep in chunks withdraws the questions first.
  const sweeping = store.plan.ending !== null;
  for (const row of store.steps.values()) {
    const awaits = row.state === "AWAITING_APPROVAL" && !sweeping;
    must(
      (asked.get(row.ordinal) ?? 0) === (awaits ? 1 : 0),
      "whoever awaits approval has asked exactly once",
      row,
      asked.get(row.ordinal),
    );
  }
}

function checkEnd(store: PlanStore): void {
  const { plan } = store;
  const rows = [...store.steps.values()];
  for (const row of rows)
    must(
      hasEnded(row.state) && row.state !== "COMPENSATING",
      "every step of an ended plan has ended",
      row.key,
      row.state,
    );
  must(store.pending.length === 0 && store.timers.size === 0, "an ended plan waits for nothing");
  must(plan.finishedMs !== null && plan.ending === null, "an ended plan has its end");
  must(
    store.goal.state === (plan.state === "COMPLETED" ? "ACHIEVED" : plan.state),
    "the goal ends as its plan does",
    store.goal,
    plan.state,
  );
  for (const row of rows) {
    const left = row.state === "SUCCEEDED" && has(row.flags, STEP_FLAGS.COMPENSABLE);
    must(
      !left || (row.current && !(plan.state !== "COMPLETED" && plan.compensate)),
      "no effect that is to be undone is dropped",
      row.key,
      plan.state,
    );
  }
  if (plan.state !== "COMPLETED") return;
  for (const row of rows) {
    if (!row.current || (row.state !== "FAILED" && row.state !== "REFUSED")) continue;
    const rule = store.definition(row).onFailure;
    must(
      rule === "CARRY_ON" || rule === "SKIP_DEPENDENTS",
      "a plan with a step whose failure fails it is not completed",
      row.key,
      rule,
    );
  }
}

/** Everything that can move the plan, or that says what it waits for. */
export function movers(store: PlanStore): readonly string[] {
  const { plan } = store;
  const found: string[] = [];
  if (plan.state === "SUSPENDED") found.push("suspended");
  if (store.cascade !== null) found.push("cascade");
  if (store.pending.length > 0) found.push("approval");
  let short = false;
  for (const row of store.steps.values()) {
    if (isLeased(row)) found.push("lease");
    if (store.timers.has(row.ordinal)) found.push("timer");
    if (row.heldBack && row.state === "WAITING") found.push("held");
    if (isNotUndone(store, row)) found.push("not undone");
    if (row.orderKey !== null && (row.state === "COMPENSATING" || plan.ending === null)) found.push("ready");
    if (row.state === "READY" && row.orderKey === null && has(row.flags, STEP_FLAGS.STARVED)) {
      if ("short" in takeHold(plan.account, row.hold)) short = true;
      else if (plan.state === "ACTIVE" && plan.ending === null)
        must(
          found.includes("lease") || [...store.steps.values()].some((r) => isLeased(r) || r.orderKey !== null),
          "nothing starves that the budget allows",
          row.key,
        );
    }
  }
  if (short) found.push("starved");
  return found;
}

/** It could not be undone, and a row that came under its key waits until somebody sees to it. */
export function isNotUndone(store: PlanStore, row: StepRow): boolean {
  return (
    row.state === "COMPENSATION_FAILED" &&
    has(row.flags, STEP_FLAGS.UNDO_FIRST) &&
    (store.children.get(row.ordinal) ?? []).some(({ to }) => store.steps.get(to)?.state === "PENDING")
  );
}

/** Every state that a row may take is in its table; the draft throws otherwise, this only says that tables are closed. */
export function tablesAreClosed(): boolean {
  const states = new Set(Object.keys(STEP_TRANSITIONS));
  return Object.values(STEP_TRANSITIONS).every((next) => next.every((state) => states.has(state)));
}
