// Executors and what steps ask of them. Not here: which of them are connected, see dispatch/.
import type { DemandId, ExecutorId, OrgId, SessionId } from "./id.ts";

export interface ExecutorSpec {
  readonly name: string;
  readonly capabilities: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly slots: number;
  readonly buildId: string;
}

export interface Executor {
  readonly orgId: OrgId;
  readonly executorId: ExecutorId;
  readonly spec: ExecutorSpec;
  readonly state: "ACTIVE" | "DRAINING";
  readonly trust: number;
  /** Server session that its stream is attached to; null when it has none. */
  readonly sessionId: SessionId | null;
  readonly registeredMs: number;
  readonly lastSeenMs: number;
}

/** With when it was last heard of: while a stream is attached that is all the time, and nobody writes it down. */
export function heardOf(executor: Executor, nowMs: number): Executor {
  return executor.sessionId === null ? executor : { ...executor, lastSeenMs: Math.max(executor.lastSeenMs, nowMs) };
}

/** What a step asks of an executor. */
export interface Demand {
  readonly orgId: OrgId;
  readonly demandId: DemandId;
  readonly capability: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly minTrust: number;
}

/** Whether an executor of the same org can do what a demand asks. Trust is what admins set, never what it claims. */
export function canServe(
  executor: Pick<Executor, "spec" | "trust">,
  demand: Pick<Demand, "capability" | "labels" | "minTrust">,
): boolean {
  if (executor.trust < demand.minTrust || !executor.spec.capabilities.includes(demand.capability)) return false;
  return Object.entries(demand.labels).every(([name, value]) => executor.spec.labels[name] === value);
}

/** Trust of an executor that no admin has judged. */
export const INITIAL_TRUST = 0.5;
