// Lists executors, by name.
import type { Operation } from "../engine/operation.ts";
import { heardOf } from "../domain/executor.ts";
import type { Executor } from "../domain/executor.ts";
import type { PageRequest } from "../store/ports/paging.ts";
import { read } from "./done.ts";
import { oneMore, pageOf } from "./page.ts";
import type { Page } from "./page.ts";

export interface ExecutorListRequest {
  readonly page: PageRequest;
}

export const executorList: Operation<ExecutorListRequest, Page<Executor>> = async (tx, { page }, context) => {
  const executors = await tx.executors.list(context.principal.orgId, oneMore(page));
  const nowMs = await tx.nowMs();
  const heard = executors.map((executor) => heardOf(executor, nowMs));
  return read(pageOf(heard, page, (executor) => [executor.spec.name]));
};
