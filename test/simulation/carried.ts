// What a transaction carries: which kinds of items a batch decided, or which operation. A crash point is only as good as what is
// lost at it. Not here: when crashes happen (crashes.ts), and the statements (connections.ts).
import { AsyncLocalStorage } from "node:async_hooks";
import { GATEKEEPER } from "../../src/domain/gate.ts";
import type { PlanSlice } from "../../src/domain/plan/slice.ts";
import type { PlanVerdict } from "../../src/store/ports/batches.ts";
import type { Store } from "../../src/store/ports/store.ts";
import { isLeased } from "../support/plan-invariants-terms.ts";

/** Kinds of items, as far as they change anything; what an operator asked for counts as one kind. */
export const CARRIED = [
  "claim",
  "outcome",
  "evidence",
  "loss",
  "timeout",
  "sweep",
  "rehome",
  "renew",
  "wake",
  "cascade",
  "overdue",
  "operation",
  "gate",
] as const;
export type CarriedKind = (typeof CARRIED)[number];

const context = new AsyncLocalStorage<Set<string>>();

/** What the transaction carries that this code sends statements of; undefined outside of batches and operations. */
export function carriedHere(): ReadonlySet<string> | undefined {
  return context.getStore();
}

/** Whatever is sent within belongs to an operation. */
export function asOperation<T>(work: () => Promise<T>): Promise<T> {
  return context.run(new Set(["operation"]), work);
}

/** Batches of this store say what they carry. */
export function telling(store: Store): Store {
  return {
    ...store,
    batches: {
      run: (plans, decide, options) =>
        context.run(new Set(["batch"]), () =>
          store.batches.run(
            plans,
            (slice, nowMs) => {
              const verdict = decide(slice, nowMs);
              for (const kind of kindsOf(slice, verdict)) context.getStore()?.add(kind);
              return verdict;
            },
            options,
          ),
        ),
    },
  };
}

const OF_RECORDS: Readonly<Record<string, CarriedKind>> = {
  "outcome.report": "outcome",
  "outcome.late": "evidence",
  "outcome.contradicted": "evidence",
  "lease.timed_out": "timeout",
  "plan.cascade": "cascade",
  "plan.overdue": "overdue",
};

function kindsOf(slice: PlanSlice, verdict: PlanVerdict): readonly CarriedKind[] {
  if (verdict.kind !== "changes") return [];
  const { records, steps, timers } = verdict.changes;
  const kinds: CarriedKind[] = verdict.leased.length > 0 ? ["claim"] : [];
  for (const { kind, body } of records) {
    if (kind === "lease.lost") kinds.push(body.includes("did not come back") ? "sweep" : "loss");
    else if (OF_RECORDS[kind] !== undefined) kinds.push(OF_RECORDS[kind]);
  }
  for (const { ordinal, dueMs } of timers)
    if (dueMs === null && slice.steps.get(ordinal)?.state === "BACKING_OFF") kinds.push("wake");
  for (const row of steps) {
    const before = slice.steps.get(row.ordinal);
    if ((before?.executorId === GATEKEEPER) !== (row.executorId === GATEKEEPER)) kinds.push("gate");
    if (before === undefined || !isLeased(before) || !isLeased(row) || before.fencing !== row.fencing) continue;
    if (before.sessionId !== row.sessionId) kinds.push("rehome");
    if (before.leaseUntilMs !== row.leaseUntilMs) kinds.push("renew");
  }
  return kinds;
}
