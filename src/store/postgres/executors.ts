// Executors and demand classes. Not here: which executors are connected, which is in their servers' memory.
import { and, asc, eq, lt } from "drizzle-orm";
import { INITIAL_TRUST } from "../../domain/executor.ts";
import type { Demand, Executor } from "../../domain/executor.ts";
import type { ExecutorId, SessionId } from "../../domain/id.ts";
import type { ExecutorRepository } from "../ports/executors.ts";
import { arrayLiteral, arraysOf } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import { demands, executors } from "./schema/executors.ts";
import type { Session } from "./transaction.ts";

const DEMANDS: readonly BulkColumn<Demand>[] = [
  { name: "org_id", type: "uuid", value: (d) => d.orgId },
  { name: "demand_id", type: "uuid", value: (d) => d.demandId },
  { name: "capability", type: "text", value: (d) => d.capability },
  { name: "min_trust", type: "float8", value: (d) => d.minTrust },
];
// The labels travel as text and become jsonb in the statement: an array literal of jsonb would quote them twice.
const ADD_DEMANDS =
  "INSERT INTO maestro.demands (org_id, demand_id, capability, min_trust, labels) SELECT v.org_id, v.demand_id, v.capability, v.min_trust, v.labels::jsonb " +
  "FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::float8[], $5::text[]) AS v(org_id, demand_id, capability, min_trust, labels) ORDER BY v.demand_id ON CONFLICT DO NOTHING";

type Row = typeof executors.$inferSelect;

// Every analysis of a graph asks for the executors: the builder would cost it as much as the round trip.
const LIST =
  "SELECT executor_id, name, capabilities, labels, slots, build_id, state, trust, session_id, registered_ms, last_seen_ms FROM maestro.executors " +
  "WHERE org_id = $1 AND name > $2 ORDER BY name LIMIT $3";

interface RawExecutor extends Pick<Row, "name" | "capabilities" | "labels" | "slots" | "state" | "trust"> {
  readonly executor_id: string;
  readonly build_id: string;
  readonly session_id: string | null;
  readonly registered_ms: number;
  readonly last_seen_ms: number;
}

function executorOf(row: Row): Executor {
  const {
    orgId,
    executorId,
    name,
    capabilities,
    labels,
    slots,
    buildId,
    state,
    trust,
    sessionId,
    registeredMs,
    lastSeenMs,
  } = row;
  return {
    orgId,
    executorId,
    spec: { name, capabilities, labels, slots, buildId },
    state,
    trust,
    sessionId,
    registeredMs,
    lastSeenMs,
  };
}

export function createExecutorRepository(session: Session): ExecutorRepository {
  const { run, send } = session;
  return {
    register: async (orgId, executorId, spec, sessionId, nowMs) => {
      const renewed = {
        capabilities: [...spec.capabilities],
        labels: spec.labels,
        slots: spec.slots,
        buildId: spec.buildId,
        state: "ACTIVE" as const,
        ...(sessionId === undefined ? {} : { sessionId }),
        lastSeenMs: nowMs,
      };
      const [row] = await session.db
        .insert(executors)
        .values({ orgId, executorId, name: spec.name, trust: INITIAL_TRUST, registeredMs: nowMs, ...renewed })
        .onConflictDoUpdate({ target: [executors.orgId, executors.name], set: renewed })
        .returning();
      if (row === undefined) throw new Error("an executor was not written");
      return executorOf(row);
    },
    find: async (orgId, executorId) => {
      const [row] = await session.db
        .select()
        .from(executors)
        .where(and(eq(executors.orgId, orgId), eq(executors.executorId, executorId)));
      return row === undefined ? undefined : executorOf(row);
    },
    list: async (orgId, page) => {
      const [after = ""] = (page.after ?? []) as [string?];
      return (await run<RawExecutor>(LIST, [orgId, after, page.limit])).map((raw) =>
        executorOf({
          orgId,
          executorId: raw.executor_id as ExecutorId,
          name: raw.name,
          capabilities: raw.capabilities,
          labels: raw.labels,
          slots: raw.slots,
          buildId: raw.build_id,
          state: raw.state,
          trust: raw.trust,
          sessionId: raw.session_id as SessionId | null,
          registeredMs: raw.registered_ms,
          lastSeenMs: raw.last_seen_ms,
        }),
      );
    },
    setState: async (orgId, executorId, state) => {
      await session.db
        .update(executors)
        .set({ state })
        .where(and(eq(executors.orgId, orgId), eq(executors.executorId, executorId)));
    },
    setTrust: async (orgId, executorId, trust) => {
      await session.db
        .update(executors)
        .set({ trust })
        .where(and(eq(executors.orgId, orgId), eq(executors.executorId, executorId)));
    },
    setSession: async (orgId, executorId, sessionId, expected, nowMs) => {
      const same = expected === null ? undefined : eq(executors.sessionId, expected);
      await session.db
        .update(executors)
        .set({ sessionId, lastSeenMs: nowMs })
        .where(and(eq(executors.orgId, orgId), eq(executors.executorId, executorId), same));
    },
    seen: async (orgId, executorId, nowMs) => {
      await session.db
        .update(executors)
        .set({ lastSeenMs: nowMs })
        .where(and(eq(executors.orgId, orgId), eq(executors.executorId, executorId), lt(executors.lastSeenMs, nowMs)));
    },
    ensureDemands: async (wanted) => {
      if (wanted.length === 0) return;
      send(ADD_DEMANDS, [
        ...arraysOf(DEMANDS, wanted),
        arrayLiteral(
          "text",
          wanted.map((d) => JSON.stringify(d.labels)),
        ),
      ]);
    },
    demands: async (orgId) =>
      session.db.select().from(demands).where(eq(demands.orgId, orgId)).orderBy(asc(demands.demandId)),
  };
}
