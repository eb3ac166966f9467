// What always holds of a plan, recomputed from its rows in the plainest way. Not here: making things happen.
import { createHash } from "node:crypto";
import { DIMENSIONS, NOTHING, plus } from "../../src/domain/amounts.ts";
import type { Amounts } from "../../src/domain/amounts.ts";
import { PLAN_TRANSITIONS, planHasEnded, takeHold } from "../../src/domain/plan.ts";
import type { PlanRow } from "../../src/domain/plan.ts";
import { ended, failed, parked, running, succeeded } from "../../src/domain/plan/draft.ts";
import type { PlanChanges } from "../../src/domain/plan/slice.ts";
import { has, hasEnded, STEP_FLAGS, STEP_TRANSITIONS } from "../../src/domain/step.ts";
import type { StepRow } from "../../src/domain/step.ts";
import { PlanWorld } from "./plan-world.ts";

function must(holds: boolean, what: string, ...about: readonly unknown[]): void {
  if (!holds) throw new Error([what, ...about.map((a) => JSON.stringify(a))].join(" "));
}

function isLeased(row: StepRow): boolean {
  return row.state === "LEASED" || row.state === "STOPPING";
}

/** Being undone comes after its end. */
function isOver(row: StepRow): boolean {
  return row.undoing || hasEnded(row.state);
}

/** Written in the plainest way again: the domain's own may be wrong. */
function letsGo(parent: StepRow, regardless: boolean): boolean {
  if (regardless || parent.state === "SUCCEEDED") return true;
  return (parent.state === "FAILED" || parent.state === "REFUSED") && has(parent.flags, STEP_FLAGS.CARRY_ON);
}

/** Holds of every write. */
export function checkWritten(
  world: PlanWorld,
  before: { readonly plan: PlanRow; readonly steps: ReadonlyMap<number, StepRow | undefined> },
  changes: PlanChanges,
): void {
  const { plan } = changes;
  must(plan.rev === before.plan.rev + 1, "every write raises the revision", before.plan.rev, plan.rev);
  must(
    plan.state === before.plan.state || reachable(before.plan.state, plan.state),
    "a plan's state follows its table",
    before.plan.state,
    plan.state,
  );
  if (plan.activeVersion === before.plan.activeVersion) {
    // The hot statement leaves these out.
    const rare = (p: PlanRow): unknown => [p.minTrust, p.traceparent, p.committedMs, p.account.currency];
    must(
      JSON.stringify(rare(plan)) === JSON.stringify(rare(before.plan)),
      "only activations change what the hot statement leaves out",
    );
  }
  must(changes.steps.length === new Set(changes.steps.map((r) => r.ordinal)).size, "each row is written once");
  for (const row of changes.steps) {
    const old = before.steps.get(row.ordinal);
    must(old !== undefined && row.fencing >= old.fencing, "fencing only grows", old, row);
    if (old === undefined) continue;
    must(
      row.key === old.key && row.version === old.version && row.boostMs === old.boostMs && row.hold === old.hold,
      "a row keeps its fixed columns",
      old,
      row,
    );
    if (row.state === "LEASED" && old.state !== "LEASED")
      must(row.fencing > old.fencing, "a lease has a new fencing number", old, row);
    if (row.state === "LEASED" && old.fencing === 0) checkAllowed(world, row);
    if (old.state === "SUCCEEDED" && row.state === "COMPENSATING") checkUndoOrder(world, old);
  }
  let seq = before.plan.recordSeq;
  const ids = new Set<string>();
  for (const record of changes.records) {
    seq += 1;
    must(record.seq === seq, "sequences of records have no gaps", record.seq, seq);
    must(!ids.has(record.recordId), "an id names one record", record.recordId);
    ids.add(record.recordId);
    const header = JSON.parse(record.header) as Record<string, unknown>;
    must(
      header["seq"] === seq &&
        header["id"] === record.recordId &&
        header["kind"] === record.kind &&
        header["stream"] === plan.planId,
      "a header says what its record is",
      header,
    );
    must(
      JSON.stringify(Object.keys(header)) === JSON.stringify(Object.keys(header).sort()),
      "a header is RFC 8785 text",
      record.header,
    );
    must(leafOf(record).equals(record.leaf), "a leaf can be computed again", record.recordId);
  }
  must(plan.recordSeq === seq, "the plan knows its last record", plan.recordSeq, seq);
  for (const attempt of changes.attempts) {
    const record = changes.records.find((r) => r.recordId === attempt.recordId);
    must(
      record !== undefined,
      "an attempt that ended has its record, in the same write",
      attempt.ordinal,
      attempt.fencing,
    );
    if (record !== undefined && attempt.outputs?.kind === "json") {
      const salt = sha("payload", record.bodySalt);
      must(
        record.payloadCommitment !== null && sha(salt, attempt.outputs.text).equals(record.payloadCommitment),
        "outputs are committed to",
        attempt.ordinal,
      );
    }
  }
  for (const late of changes.late)
    must(
      changes.records.some((r) => r.kind === "outcome.late" || r.kind === "outcome.contradicted"),
      "evidence has its record",
      late.ordinal,
    );
}

function reachable(from: PlanRow["state"], to: PlanRow["state"]): boolean {
  // One write may carry several decisions.
  const seen = new Set([from]);
  for (const state of seen) for (const next of PLAN_TRANSITIONS[state]) seen.add(next);
  return seen.has(to);
}

function checkAllowed(world: PlanWorld, row: StepRow): void {
  for (const { from, to, regardless } of world.edges) {
    if (to !== row.ordinal) continue;
    const parent = world.steps.get(from);
    must(
      parent !== undefined && isOver(parent) && letsGo(parent, regardless),
      "a step is leased only when everything it depends on allows it",
      row.key,
      parent?.key,
      parent?.state,
      regardless,
    );
  }
}

/** Undone in reverse order of ends: nothing that is still to be undone ended later. */
function checkUndoOrder(world: PlanWorld, began: StepRow): void {
  for (const row of world.steps.values()) {
    if (row.state !== "SUCCEEDED" || !has(row.flags, STEP_FLAGS.COMPENSABLE) || row.ordinal === began.ordinal) continue;
    const toUndo = !row.current || (world.plan.ending !== null && world.plan.compensate);
    must(
      !toUndo || (row.finishedMs ?? 0) <= (began.finishedMs ?? 0),
      "effects are undone in reverse order of their ends",
      row.key,
      row.finishedMs,
      began.key,
      began.finishedMs,
    );
  }
}

function leafOf(record: PlanWorld["records"][number]): Buffer {
  const parts = [
    Buffer.from([0]),
    Buffer.from("maestro.leaf.v1"),
    sha(record.headerSalt, record.header),
    sha(record.bodySalt, record.body),
    record.payloadCommitment ?? Buffer.alloc(32),
  ];
  return createHash("sha256").update(Buffer.concat(parts)).digest();
}

function sha(...parts: readonly (string | Uint8Array)[]): Buffer {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** Holds between any two events. */
export function checkWorld(world: PlanWorld): void {
  const { plan } = world;
  const rows = [...world.steps.values()];
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
  for (const row of rows) checkRow(world, row);
  if (plan.ending === null && !planHasEnded(plan.state)) checkWaiting(world);
  checkAccount(world);
  checkApprovals(world);
  must(
    rows.filter((r) => r.undoing && !hasEnded(r.state)).length +
      rows.filter((r) => r.state === "COMPENSATING").length <=
      1,
    "one effect is undone at a time",
  );
  if (planHasEnded(plan.state)) checkEnd(world);
  else if (plan.activeVersion > 0)
    must(
      movers(world).length > 0,
      "no plan gets stuck",
      plan.state,
      plan.ending,
      plan.stepsEnded,
      plan.stepsTotal,
      world.states(),
    );
}

function checkRow(world: PlanWorld, row: StepRow): void {
  must(
    isLeased(row) === (row.sessionId !== null) && isLeased(row) === (row.executorId !== null),
    "exactly leased rows have a session and an executor",
    row,
  );
  must(isLeased(row) === (row.deadlineMs !== null), "exactly leased rows have a deadline", row);
  must(hasEnded(row.state) === (row.finishedMs !== null) || row.undoing, "exactly ended rows have an end", row);
  must(
    row.waitingOn >= 0 && (row.waitingOn === 0 || row.state === "PENDING"),
    "only pending rows wait for others",
    row,
  );
  must(
    row.state !== "BACKING_OFF" || world.timers.get(row.ordinal) === row.notBeforeMs,
    "a backoff has its timer",
    row,
  );
  must(!world.timers.has(row.ordinal) || row.state === "BACKING_OFF", "only backoffs have timers", row);
  must(
    row.orderKey === null || row.state === "READY" || row.state === "COMPENSATING",
    "only what can be leased is in the ready set",
    row,
  );
  must(
    row.undoing ===
      (row.state === "COMPENSATING" || row.state === "COMPENSATED" || row.state === "COMPENSATION_FAILED") ||
      row.undoing,
    "what is being undone says so",
    row,
  );
  must(row.current || row.state !== "READY", "a dropped row does not run", row);
  const parkedHere = (row.state === "READY" || row.state === "COMPENSATING") && row.orderKey === null;
  const { plan } = world;
  must(
    !parkedHere || plan.state === "SUSPENDED" || plan.ending !== null || has(row.flags, STEP_FLAGS.STARVED),
    "what is parked has a reason",
    row,
    plan.state,
  );
  must(
    row.state !== "READY" ||
      row.fencing > 0 ||
      has(row.flags, STEP_FLAGS.APPROVED) ||
      !has(row.flags, STEP_FLAGS.REQUIRES_APPROVAL),
    "what requires approval has it",
    row,
  );
  must(row.state !== "READY" || world.inputs.has(`${String(row.ordinal)}/false`), "what is ready has its input", row);
  must(
    row.state !== "COMPENSATING" || world.inputs.has(`${String(row.ordinal)}/true`),
    "what is undone has its input",
    row,
  );
  must(
    !row.heldBack || hasEnded(row.state) || row.state === "PENDING" || row.state === "WAITING",
    "what is held does not move",
    row,
  );
}

/** A row waits for exactly those before it whose ends have not reached it. */
function checkWaiting(world: PlanWorld): void {
  const cascade = world.cascade;
  const open = new Set(cascade?.frontier ?? []);
  const into = new Map<number, typeof world.edges>();
  for (const edge of world.edges) {
    const list = into.get(edge.to);
    if (list === undefined) into.set(edge.to, [edge]);
    else list.push(edge);
  }
  for (const row of world.steps.values()) {
    if (hasEnded(row.state) || row.undoing || isLeased(row)) continue;
    let waitingOn = 0;
    for (const { from, regardless } of into.get(row.ordinal) ?? []) {
      const parent = world.steps.get(from);
      if (parent === undefined) throw new Error("an edge from nowhere");
      const reached =
        cascade !== null &&
        open.has(from) &&
        (from !== cascade.frontier[0] || cascade.sweepFrom === null || row.ordinal >= cascade.sweepFrom)
          ? false
          : isOver(parent);
      if (!reached) waitingOn += 1;
      // Whoever has begun goes on: a re-plan may have its predecessor run again meanwhile.
      else
        must(
          letsGo(parent, regardless) || (row.fencing > 0 && row.state !== "PENDING"),
          "nothing waits behind an end that does not allow it",
          row.key,
          row.state,
          parent.key,
          parent.state,
        );
    }
    if (row.state === "PENDING")
      must(
        row.waitingOn === waitingOn && waitingOn > 0,
        "a pending row waits for those before it",
        row.key,
        row.waitingOn,
        waitingOn,
      );
    else if (row.fencing === 0)
      must(waitingOn === 0, "what has arrived waits for nobody", row.key, row.state, waitingOn);
  }
}

function checkAccount(world: PlanWorld): void {
  const { account } = world.plan;
  let held = NOTHING;
  for (const row of world.steps.values()) if (isLeased(row) && !row.undoing) held = plus(held, row.hold);
  let spent = NOTHING;
  let overrun = NOTHING;
  let presumed = NOTHING;
  for (const attempt of world.attempts.values()) {
    if (attempt.state === "LOST" && attempt.lateDigest === null) {
      presumed = plus(presumed, attempt.hold);
      continue;
    }
    const within = { ...NOTHING };
    const beyond = { ...NOTHING };
    for (const d of DIMENSIONS) {
      within[d] = account.allotted[d] === null ? attempt.usage[d] : Math.min(attempt.usage[d], attempt.hold[d]);
      beyond[d] = attempt.usage[d] - within[d];
    }
    spent = plus(spent, within);
    overrun = plus(overrun, beyond);
  }
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

function checkApprovals(world: PlanWorld): void {
  const asked = new Map<number, number>();
  for (const approval of world.pending)
    if (approval.ordinal !== null) asked.set(approval.ordinal, (asked.get(approval.ordinal) ?? 0) + 1);
  // A sweep in chunks withdraws the questions first.
  const sweeping = world.plan.ending !== null;
  for (const row of world.steps.values()) {
    const awaits = row.state === "AWAITING_APPROVAL" && !sweeping;
    must(
      (asked.get(row.ordinal) ?? 0) === (awaits ? 1 : 0),
      "whoever awaits approval has asked exactly once",
      row,
      asked.get(row.ordinal),
    );
  }
}

function checkEnd(world: PlanWorld): void {
  const { plan } = world;
  const rows = [...world.steps.values()];
  for (const row of rows)
    must(
      hasEnded(row.state) && row.state !== "COMPENSATING",
      "every step of an ended plan has ended",
      row.key,
      row.state,
    );
  must(world.pending.length === 0 && world.timers.size === 0, "an ended plan waits for nothing");
  must(plan.finishedMs !== null && plan.ending === null, "an ended plan has its end");
  must(
    world.goal.state === (plan.state === "COMPLETED" ? "ACHIEVED" : plan.state),
    "the goal ends as its plan does",
    world.goal,
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
    const rule = world.definition(row).onFailure;
    must(
      rule === "CARRY_ON" || rule === "SKIP_DEPENDENTS",
      "a plan with a step whose failure fails it is not completed",
      row.key,
      rule,
    );
  }
}

/** Everything that can move the plan, or that says what it waits for. */
export function movers(world: PlanWorld): readonly string[] {
  const { plan } = world;
  const found: string[] = [];
  if (plan.state === "SUSPENDED") found.push("suspended");
  if (world.cascade !== null) found.push("cascade");
  if (world.pending.length > 0) found.push("approval");
  let short = false;
  for (const row of world.steps.values()) {
    if (isLeased(row)) found.push("lease");
    if (world.timers.has(row.ordinal)) found.push("timer");
    if (row.heldBack && row.state === "WAITING") found.push("held");
    if (row.orderKey !== null && (row.state === "COMPENSATING" || plan.ending === null)) found.push("ready");
    if (row.state === "READY" && row.orderKey === null && has(row.flags, STEP_FLAGS.STARVED)) {
      if ("short" in takeHold(plan.account, row.hold)) short = true;
      else if (plan.state === "ACTIVE" && plan.ending === null)
        must(
          found.includes("lease") || [...world.steps.values()].some((r) => isLeased(r) || r.orderKey !== null),
          "nothing starves that the budget allows",
          row.key,
        );
    }
  }
  if (short) found.push("starved");
  return found;
}

/** Every state that a row may take is in its table; the draft throws otherwise, this only says that tables are closed. */
export function tablesAreClosed(): boolean {
  const states = new Set(Object.keys(STEP_TRANSITIONS));
  return Object.values(STEP_TRANSITIONS).every((next) => next.every((state) => states.has(state)));
}

PlanWorld.checks.push(checkWritten);
