// What attempts are handed and what they came to. Not here: statements.
import { bigint, boolean, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { ExecutorId, OrgId, PlanId, RecordId } from "../../../domain/id.ts";
import type { AttemptState, ErrorClass } from "../../../domain/outcome.ts";
import { bytes, maestro } from "./maestro.ts";

export const stepInputs = maestro.table(
  "step_inputs",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    ordinal: integer("ordinal").notNull(),
    undoing: boolean("undoing").notNull(),
    input: text("input"),
    /** Digest of what the step really consumed. */
    effectiveDigest: text("effective_digest").notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.ordinal, t.undoing] })],
);

export const attempts = maestro.table(
  "attempts",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    ordinal: integer("ordinal").notNull(),
    fencing: bigint("fencing", { mode: "number" }).notNull(),
    attempt: integer("attempt").notNull(),
    undoing: boolean("undoing").notNull(),
    state: text("state").$type<AttemptState>().notNull(),
    executorId: uuid("executor_id").$type<ExecutorId>().notNull(),
    leasedMs: bigint("leased_ms", { mode: "number" }).notNull(),
    endedMs: bigint("ended_ms", { mode: "number" }).notNull(),
    readyMs: bigint("ready_ms", { mode: "number" }).notNull(),
    outputs: text("outputs"),
    outputsDigest: text("outputs_digest"),
    /** Digest of the report; tells a repeat from a contradiction. */
    bodyDigest: bytes("body_digest"),
    errorClass: text("error_class").$type<ErrorClass>(),
    message: text("message"),
    details: text("details"),
    /** JSON text of a list. */
    artifacts: text("artifacts"),
    logTail: text("log_tail"),
    holdTokens: bigint("hold_tokens", { mode: "number" }).notNull(),
    holdMoney: bigint("hold_money", { mode: "number" }).notNull(),
    holdWall: bigint("hold_wall", { mode: "number" }).notNull(),
    holdEnergy: bigint("hold_energy", { mode: "number" }).notNull(),
    usageTokens: bigint("usage_tokens", { mode: "number" }).notNull(),
    usageMoney: bigint("usage_money", { mode: "number" }).notNull(),
    usageWall: bigint("usage_wall", { mode: "number" }).notNull(),
    usageEnergy: bigint("usage_energy", { mode: "number" }).notNull(),
    /** Digest of a report that came after the lease had ended. */
    lateDigest: bytes("late_digest"),
    recordId: uuid("record_id").$type<RecordId>().notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.ordinal, t.fencing] })],
);

export const checkpoints = maestro.table(
  "checkpoints",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    ordinal: integer("ordinal").notNull(),
    fencing: bigint("fencing", { mode: "number" }).notNull(),
    /** Store text of a payload. */
    checkpoint: text("checkpoint").notNull(),
    atMs: bigint("at_ms", { mode: "number" }).notNull(),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId, t.ordinal] })],
);
