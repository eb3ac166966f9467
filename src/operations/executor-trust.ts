// Sets how far an executor is trusted; it never says so itself.
import type { Operation } from "../engine/operation.ts";
import type { Executor } from "../domain/executor.ts";
import type { ExecutorId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import type { ExecutorWatch } from "./dispatch-port.ts";
import { journaled } from "./done.ts";

export interface ExecutorTrustRequest {
  readonly executorId: ExecutorId;
  /** 0 to 1. */
  readonly trust: number;
}

export function executorTrust(dispatcher: ExecutorWatch): Operation<ExecutorTrustRequest, Executor> {
  return async (tx, { executorId, trust }, context) => {
    const { orgId, name: actor } = context.principal;
    const executor = await tx.executors.find(orgId, executorId);
    if (executor === undefined) return notFound("executor", executorId);
    await tx.executors.setTrust(orgId, executorId, trust);
    const afterCommit = (): void => {
      dispatcher.executorChanged(orgId, executorId);
    };
    return journaled(
      { ...executor, trust },
      {
        kind: "executor.trust",
        actor,
        body: { executor: executorId, name: executor.spec.name, before: executor.trust, trust },
      },
      { afterCommit },
    );
  };
}
