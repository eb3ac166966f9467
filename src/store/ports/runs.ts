// Runs in the store. A committed plan has its row from the transaction of its commit on; what follows the plan is read from the plan.
import type { OrgId, RunId } from "../../domain/id.ts";
import type { Run, RunStatus } from "../../domain/run.ts";
import type { PageRequest } from "./paging.ts";

export interface RunRepository {
  /** In bulk. Of a plan's run status, end and actual cost are not kept. */
  add(runs: readonly Run[]): Promise<void>;
  /** The run of a plan that is committed for the first time, written together with the plan. One that is there already stays as it is. */
  addOfPlan(run: Run): Promise<void>;
  /**
   * In bulk, in the order asked; undefined for those that are not there. Of a plan's run the actual cost is the money that is spent,
   * whether held for it or not, and null while its charter names no currency; a plan whose first commit was sent back has no run
   * until it is committed again.
   */
  find(orgId: OrgId, runIds: readonly RunId[]): Promise<readonly (Run | undefined)[]>;
  /** Locks the row FOR NO KEY UPDATE, then reads it. */
  lock(orgId: OrgId, runId: RunId): Promise<Run | undefined>;
  /** Keeps what may be changed of a run; it must be locked. */
  save(run: Run): Promise<void>;
  /** Newest first; sort key [created_ms, run_id]. */
  list(
    orgId: OrgId,
    query: { readonly owner: string | null; readonly status: RunStatus | null },
    page: PageRequest,
  ): Promise<readonly Run[]>;
}
