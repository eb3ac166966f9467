// Returns an executor.
import type { Operation } from "../engine/operation.ts";
import { heardOf } from "../domain/executor.ts";
import type { Executor } from "../domain/executor.ts";
import type { ExecutorId } from "../domain/id.ts";
import { notFound } from "../domain/refusal.ts";
import { read } from "./done.ts";

export interface ExecutorGetRequest {
  readonly executorId: ExecutorId;
}

export const executorGet: Operation<ExecutorGetRequest, Executor> = async (tx, { executorId }, context) => {
  const executor = await tx.executors.find(context.principal.orgId, executorId);
  return executor === undefined ? notFound("executor", executorId) : read(heardOf(executor, await tx.nowMs()));
};
