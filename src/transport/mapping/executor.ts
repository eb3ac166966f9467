// Executors as messages and back.
import type { Executor as WireExecutor, ExecutorSpec as WireSpec } from "../../../gen/maestro/v1/executor_pb.ts";
import type { Executor, ExecutorSpec } from "../../domain/executor.ts";
import { isReserved, RESERVED_WORDS } from "../../domain/gate.ts";
import { idText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { timestamp } from "./time.ts";
import { executorStates } from "./words.ts";

export function executorSpecIn(problems: Problems, field: string, wire: WireSpec | undefined): ExecutorSpec {
  for (const [i, capability] of (wire?.capabilities ?? []).entries())
    if (isReserved(capability))
      problems.add(`${field}.capabilities[${String(i)}]`, RESERVED_WORDS, "capability.reserved");
  return {
    name: wire?.name ?? "",
    capabilities: [...(wire?.capabilities ?? [])],
    labels: { ...wire?.labels },
    slots: wire?.slots ?? 0,
    buildId: wire?.buildId ?? "",
  };
}

export function executorToWire(executor: Executor): WireExecutor {
  const { name, capabilities, labels, slots, buildId } = executor.spec;
  return {
    $typeName: "maestro.v1.Executor",
    executorId: idText("executor", executor.executorId),
    spec: {
      $typeName: "maestro.v1.ExecutorSpec",
      name,
      capabilities: [...capabilities],
      labels: { ...labels },
      slots,
      buildId,
    },
    state: executorStates.number(executor.state),
    trust: executor.trust,
    connected: executor.sessionId !== null,
    registeredAt: timestamp(executor.registeredMs),
    lastSeenAt: timestamp(executor.lastSeenMs),
  };
}
