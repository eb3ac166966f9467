// What operations need of dispatch, in their own words; the dispatcher fits. Not here: dispatch itself.
import type { Executor } from "../domain/executor.ts";
import type { ExecutorId, OrgId } from "../domain/id.ts";

/** Hears of changes after their commit. */
export interface ExecutorWatch {
  /** An executor's registration changed: drain, trust, spec. */
  executorChanged(orgId: OrgId, executorId: ExecutorId): void;
}

/** Hears of ended keys after the commit: streams that were opened with them end. */
export interface KeyWatch {
  keyEnded(keyId: string): void;
}

/** Knows whose streams are connected to this server. */
export interface Connected {
  connectedExecutors(orgId: OrgId): readonly { readonly executor: Executor; readonly freeSlots: number }[];
}
