// Gives an executor no new work; what it has goes on. Draining one that drains already changes nothing.
import type { Operation } from "../engine/operation.ts";
import type { Executor } from "../domain/executor.ts";
import type { ExecutorId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import type { ExecutorWatch } from "./dispatch-port.ts";
import { journaled, read } from "./done.ts";

export interface ExecutorDrainRequest {
  readonly executorId: ExecutorId;
}

export function executorDrain(dispatcher: ExecutorWatch): Operation<ExecutorDrainRequest, Executor> {
  return async (tx, { executorId }, context) => {
    const { orgId, name: actor } = context.principal;
    const executor = await tx.executors.find(orgId, executorId);
    if (executor === undefined) return notFound("executor", executorId);
    if (executor.state === "DRAINING") return read(executor);
    await tx.executors.setState(orgId, executorId, "DRAINING");
    const afterCommit = (): void => {
      dispatcher.executorChanged(orgId, executorId);
    };
    return journaled(
      { ...executor, state: "DRAINING" },
      { kind: "executor.drain", actor, body: { executor: executorId, name: executor.spec.name } },
      { afterCommit },
    );
  };
}
