// The hot rows of steps, and what moves them: edges, backoffs, cascades too long for one transaction. Not here: statements.
import { bigint, boolean, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { DemandId, ExecutorId, OrgId, PlanId, SessionId } from "../../../domain/id.ts";
import type { StepState } from "../../../domain/step.ts";
import { maestro } from "./maestro.ts";

export const steps = maestro.table(
  "steps",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    ordinal: integer("ordinal").notNull(),
    key: text("key").notNull(),
    version: integer("version").notNull(),
    /** False once a re-plan dropped or replaced the row. */
    current: boolean("current").notNull(),
    state: text("state").$type<StepState>().notNull(),
    /** The attempt at hand undoes the step instead of doing it. */
    undoing: boolean("undoing").notNull(),
    heldBack: boolean("held_back").notNull(),
    /** Edges into it whose ends have not come. */
    waitingOn: integer("waiting_on").notNull(),
    /** Place among ready steps, in microseconds; set exactly while it can be leased. */
    orderKey: bigint("order_key", { mode: "number" }),
    demandId: uuid("demand_id").$type<DemandId>().notNull(),
    boostMs: integer("boost_ms").notNull(),
    /** STEP_FLAGS of domain/step.ts. */
    flags: integer("flags").notNull(),
    timeoutMs: bigint("timeout_ms", { mode: "number" }).notNull(),
    holdTokens: bigint("hold_tokens", { mode: "number" }).notNull(),
    holdMoney: bigint("hold_money", { mode: "number" }).notNull(),
    holdWall: bigint("hold_wall", { mode: "number" }).notNull(),
    holdEnergy: bigint("hold_energy", { mode: "number" }).notNull(),
    attempt: integer("attempt").notNull(),
    failures: integer("failures").notNull(),
    /** (store epoch, n) in one number that only grows. */
    fencing: bigint("fencing", { mode: "number" }).notNull(),
    executorId: uuid("executor_id").$type<ExecutorId>(),
    /** Server session that holds the lease. */
    sessionId: uuid("session_id").$type<SessionId>(),
    leaseUntilMs: bigint("lease_until_ms", { mode: "number" }),
    deadlineMs: bigint("deadline_ms", { mode: "number" }),
    notBeforeMs: bigint("not_before_ms", { mode: "number" }),
    readyMs: bigint("ready_ms", { mode: "number" }),
    startedMs: bigint("started_ms", { mode: "number" }),
    finishedMs: bigint("finished_ms", { mode: "number" }),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.ordinal] })],
);

export const stepEdges = maestro.table(
  "step_edges",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    fromOrdinal: integer("from_ordinal").notNull(),
    toOrdinal: integer("to_ordinal").notNull(),
    /** Waits for the end, whatever comes of it. */
    regardless: boolean("regardless").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.fromOrdinal, t.toOrdinal] })],
);

export const timers = maestro.table(
  "timers",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    ordinal: integer("ordinal").notNull(),
    dueMs: bigint("due_ms", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.ordinal] })],
);

export const cascades = maestro.table(
  "cascades",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    /** Ended steps whose edges are still to be followed; empty for a sweep by ordinal. */
    frontier: integer("frontier").array().notNull(),
    sweepFrom: integer("sweep_from"),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId] })],
);
