// Registers an executor by name, or renews what it says of itself; id and trust stay.
import type { Operation } from "../engine/operation.ts";
import type { Executor, ExecutorSpec } from "../domain/executor.ts";
import type { ExecutorId } from "../domain/id.ts";
import type { ExecutorWatch } from "./dispatch-port.ts";
import { journaled } from "./done.ts";

export interface ExecutorRegisterRequest {
  readonly spec: ExecutorSpec;
}

/** A registration by call has no stream of its own; one that the executor has stays attached. */
export function executorRegister(dispatcher: ExecutorWatch): Operation<ExecutorRegisterRequest, Executor> {
  return async (tx, { spec }, context) => {
    const { orgId, name: actor } = context.principal;
    const id = context.ids.uuid() as ExecutorId;
    const executor = await tx.executors.register(orgId, id, spec, undefined, await tx.nowMs());
    const { executorId, trust } = executor;
    const afterCommit = (): void => {
      dispatcher.executorChanged(orgId, executorId);
    };
    return journaled(
      executor,
      { kind: "executor.register", actor, body: { executor: executorId, spec, trust } },
      { afterCommit },
    );
  };
}
