// Executors and demand classes in the store.
import type { Demand, Executor, ExecutorSpec } from "../../domain/executor.ts";
import type { ExecutorId, OrgId, SessionId } from "../../domain/id.ts";
import type { PageRequest } from "./paging.ts";

export interface ExecutorRepository {
  /**
   * Registers by name, or renews the spec (id and trust stay); a draining executor becomes active. An undefined session is
   * left as it was: a registration by call has no stream of its own, and takes none away.
   */
  register(
    orgId: OrgId,
    executorId: ExecutorId,
    spec: ExecutorSpec,
    sessionId: SessionId | null | undefined,
    nowMs: number,
  ): Promise<Executor>;
  find(orgId: OrgId, executorId: ExecutorId): Promise<Executor | undefined>;
  /** Sort key [name]. */
  list(orgId: OrgId, page: PageRequest): Promise<readonly Executor[]>;
  setState(orgId: OrgId, executorId: ExecutorId, state: Executor["state"]): Promise<void>;
  setTrust(orgId: OrgId, executorId: ExecutorId, trust: number): Promise<void>;
  /** Sets the session that its stream is attached to; `expected` guards against clearing a newer one. */
  setSession(
    orgId: OrgId,
    executorId: ExecutorId,
    sessionId: SessionId | null,
    expected: SessionId | null,
    nowMs: number,
  ): Promise<void>;
  /** It was heard of; an earlier time changes nothing. */
  seen(orgId: OrgId, executorId: ExecutorId, nowMs: number): Promise<void>;
  /** Makes sure that these demand classes exist. Ids are made from their content, so a repeat changes nothing. */
  ensureDemands(demands: readonly Demand[]): Promise<void>;
  demands(orgId: OrgId): Promise<readonly Demand[]>;
}
