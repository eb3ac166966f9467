// Executors, and what steps ask of them. Not here: statements.
import { bigint, doublePrecision, integer, jsonb, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { Executor } from "../../../domain/executor.ts";
import type { DemandId, ExecutorId, OrgId, SessionId } from "../../../domain/id.ts";
import { maestro } from "./maestro.ts";

export const executors = maestro.table(
  "executors",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    executorId: uuid("executor_id").$type<ExecutorId>().notNull(),
    name: text("name").notNull(),
    capabilities: text("capabilities").array().notNull(),
    labels: jsonb("labels").$type<Readonly<Record<string, string>>>().notNull(),
    slots: integer("slots").notNull(),
    buildId: text("build_id").notNull(),
    state: text("state").$type<Executor["state"]>().notNull(),
    /** What admins set, 0 to 1; never what it claims. */
    trust: doublePrecision("trust").notNull(),
    /** Server session that its stream is attached to. */
    sessionId: uuid("session_id").$type<SessionId>(),
    registeredMs: bigint("registered_ms", { mode: "number" }).notNull(),
    lastSeenMs: bigint("last_seen_ms", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.executorId] })],
);

export const demands = maestro.table(
  "demands",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    /** Made from the content: the same class has the same id everywhere. */
    demandId: uuid("demand_id").$type<DemandId>().notNull(),
    capability: text("capability").notNull(),
    labels: jsonb("labels").$type<Readonly<Record<string, string>>>().notNull(),
    minTrust: doublePrecision("min_trust").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.demandId] })],
);
