// ExecutorService: the registry of executors.
import { ExecutorService } from "../../../gen/maestro/v1/executor_service_pb.ts";
import { executorSpecIn, executorToWire } from "../mapping/executor.ts";
import { idIn } from "../mapping/problems.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function executorRoutes(kit: Kit): readonly Route[] {
  const { executorRegister, executorGet, executorList, executorDrain, executorTrust } = kit.operations;
  return [
    operationRoute(kit, ExecutorService.method.registerExecutor, {
      operation: executorRegister,
      request: ({ spec }, problems) => ({ spec: executorSpecIn(problems, "spec", spec) }),
      answer: (executor) => ({ executor: executorToWire(executor) }),
    }),
    operationRoute(kit, ExecutorService.method.getExecutor, {
      operation: executorGet,
      request: ({ executorId }, problems) => ({ executorId: idIn(problems, "executor_id", "executor", executorId) }),
      answer: (executor) => ({ executor: executorToWire(executor) }),
    }),
    operationRoute(kit, ExecutorService.method.listExecutors, {
      operation: executorList,
      request: (_, __, { page }) => ({ page }),
      answer: ({ items, next }, _, paging) => ({
        executors: items.map(executorToWire),
        nextPageToken: paging.next(next),
      }),
    }),
    operationRoute(kit, ExecutorService.method.drainExecutor, {
      operation: executorDrain,
      request: ({ executorId }, problems) => ({ executorId: idIn(problems, "executor_id", "executor", executorId) }),
      answer: (executor) => ({ executor: executorToWire(executor) }),
    }),
    operationRoute(kit, ExecutorService.method.setExecutorTrust, {
      operation: executorTrust,
      request: ({ executorId, trust }, problems) => ({
        executorId: idIn(problems, "executor_id", "executor", executorId),
        trust,
      }),
      answer: (executor) => ({ executor: executorToWire(executor) }),
    }),
  ];
}
