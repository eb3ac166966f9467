// Steps and edges of small plans under way, as this server's last batch left them: most batches then read nothing but plan rows.
// The rows are the truth: an entry counts only while the plan's revision, read under its lock, is the entry's, and whoever
// writes steps or edges raises the revision in the same transaction. Not here: reading rows, see batch-load.ts.
import type { PlanId } from "../../domain/id.ts";
import { emptySlice } from "../../domain/plan/slice.ts";
import type { PlanChanges, PlanSlice } from "../../domain/plan/slice.ts";
import { planHasEnded } from "../../domain/plan.ts";
import type { PlanRow } from "../../domain/plan.ts";

/** Plans with no ordinal above this are read whole, once. */
export const SMALL_PLAN = 64;
/** Steps and edges of all entries; the plans that were not touched for longest go first. */
const ROWS_LIMIT = 32_768;
/** Plans that are known to be larger; beyond that they are found out anew. */
const LARGE_LIMIT = 4_096;

interface Entry extends Pick<PlanSlice, "steps" | "children"> {
  readonly rev: number;
  /** Steps and edges that it is counted with. */
  readonly size: number;
}

export class PlanCache {
  readonly #entries = new Map<PlanId, Entry>();
  readonly #large = new Set<PlanId>();
  #rows = 0;

  /** What is known of a plan before its row is read. */
  standing(planId: PlanId): "cached" | "large" | "unknown" {
    if (this.#entries.has(planId)) return "cached";
    return this.#large.has(planId) ? "large" : "unknown";
  }

  /** The slice of a plan whose row was just locked; undefined, and forgotten, when somebody else changed the plan. */
  sliceOf(plan: PlanRow): PlanSlice | undefined {
    const entry = this.#entries.get(plan.planId);
    this.forget(plan.planId);
    if (entry?.rev !== plan.rev) return undefined;
    this.#keep(plan.planId, entry);
    return { ...emptySlice(plan), steps: entry.steps, children: entry.children, whole: true };
  }

  /** Keeps a slice that is whole. */
  keep({ plan, steps, children }: PlanSlice): void {
    this.forget(plan.planId);
    let size = steps.size;
    for (const edges of children.values()) size += edges.length;
    this.#keep(plan.planId, { rev: plan.rev, steps, children, size });
  }

  /** Something went wrong with it: the next batch reads it anew. */
  forget(planId: PlanId): void {
    const entry = this.#entries.get(planId);
    if (entry === undefined) return;
    this.#entries.delete(planId);
    this.#rows -= entry.size;
  }

  noteLarge(planId: PlanId): void {
    if (this.#large.size >= LARGE_LIMIT) this.#large.clear();
    this.#large.add(planId);
  }

  /** What a transaction changed that was committed. */
  follow({ plan, steps, waits }: PlanChanges): void {
    const entry = this.#entries.get(plan.planId);
    if (entry === undefined) return;
    this.forget(plan.planId);
    // Somebody changed the plan again, and it was read since: that entry is the newer one, but nobody needs to know which.
    if (entry.rev !== plan.rev - 1 || planHasEnded(plan.state)) return;
    for (const row of steps) entry.steps.set(row.ordinal, row);
    for (const { ordinal, waitingOn } of waits) {
      const row = entry.steps.get(ordinal);
      if (row !== undefined) entry.steps.set(ordinal, { ...row, waitingOn });
    }
    this.#keep(plan.planId, { ...entry, rev: plan.rev });
  }

  /** The database was away: it may have come back as it was some time ago. */
  clear(): void {
    this.#entries.clear();
    this.#large.clear();
    this.#rows = 0;
  }

  #keep(planId: PlanId, entry: Entry): void {
    this.#entries.set(planId, entry);
    this.#rows += entry.size;
    for (const oldest of this.#entries.keys()) {
      if (this.#rows <= ROWS_LIMIT) break;
      this.forget(oldest);
    }
  }
}
