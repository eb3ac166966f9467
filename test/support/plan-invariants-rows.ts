// What must hold of each row of a plan, and of what rows wait for. Not here: the plan's own row, account and end, see
// plan-invariants.ts.
import { has, hasEnded, STEP_FLAGS } from "../../src/domain/step.ts";
import type { StepRow } from "../../src/domain/step.ts";
import { isLeased, isOver, letsGo, must } from "./plan-invariants-terms.ts";
import type { PlanStore } from "./plan-store.ts";

export function checkRow(store: PlanStore, row: StepRow): void {
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
    row.state !== "BACKING_OFF" || store.timers.get(row.ordinal) === row.notBeforeMs,
    "a backoff has its timer",
    row,
  );
  must(!store.timers.has(row.ordinal) || row.state === "BACKING_OFF", "only backoffs have timers", row);
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
  must(
    !has(row.flags, STEP_FLAGS.UNDO_FIRST) || (!row.current && has(row.flags, STEP_FLAGS.COMPENSABLE)),
    "only effects that were replaced are undone first",
    row,
  );
  const parkedHere = (row.state === "READY" || row.state === "COMPENSATING") && row.orderKey === null;
  const { plan } = store;
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
  must(row.state !== "READY" || store.inputs.has(`${String(row.ordinal)}/false`), "what is ready has its input", row);
  must(
    row.state !== "COMPENSATING" || store.inputs.has(`${String(row.ordinal)}/true`),
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
export function checkWaiting(store: PlanStore): void {
  const cascade = store.cascade;
  const open = new Set(cascade?.frontier ?? []);
  const into = new Map<number, typeof store.edges>();
  for (const edge of store.edges) {
    const list = into.get(edge.to);
    if (list === undefined) into.set(edge.to, [edge]);
    else list.push(edge);
  }
  for (const row of store.steps.values()) {
    if (hasEnded(row.state) || row.undoing || isLeased(row)) continue;
    let waitingOn = 0;
    for (const { from, regardless } of into.get(row.ordinal) ?? []) {
      const parent = store.steps.get(from);
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
