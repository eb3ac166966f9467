// Plan rows: the lock that guards all else of a plan, its account and its counts. Not here: statements.
import { bigint, boolean, doublePrecision, integer, primaryKey, text, uuid } from "drizzle-orm/pg-core";
import type { CharterId, OrgId, PlanId } from "../../../domain/id.ts";
import type { PlanState } from "../../../domain/plan.ts";
import { maestro } from "./maestro.ts";

export const plans = maestro.table(
  "plans",
  {
    orgId: uuid("org_id").$type<OrgId>().notNull(),
    planId: uuid("plan_id").$type<PlanId>().notNull(),
    charterId: uuid("charter_id").$type<CharterId>().notNull(),
    charterRevision: integer("charter_revision").notNull(),
    state: text("state").$type<PlanState>().notNull(),
    /** Grows with every change; a cached plan is good while it is the same. */
    rev: bigint("rev", { mode: "number" }).notNull(),
    /** Last sequence number of the plan's records. */
    recordSeq: bigint("record_seq", { mode: "number" }).notNull(),
    newestVersion: integer("newest_version").notNull(),
    activeVersion: integer("active_version").notNull(),
    pendingVersion: integer("pending_version").notNull(),
    /** Ordinal of the next step row. */
    nextOrdinal: integer("next_ordinal").notNull(),
    /** What the plan becomes once what runs has stopped and what is done is undone. */
    ending: text("ending").$type<"FAILED" | "CANCELLED">(),
    compensate: boolean("compensate").notNull(),
    reason: text("reason").notNull(),
    currency: text("currency").notNull(),
    /** Null is not limited. Money in micros, wall in ms, energy in millijoules. */
    allottedTokens: bigint("allotted_tokens", { mode: "number" }),
    allottedMoney: bigint("allotted_money", { mode: "number" }),
    allottedWall: bigint("allotted_wall", { mode: "number" }),
    allottedEnergy: bigint("allotted_energy", { mode: "number" }),
    /** Sum of the holds of running attempts. */
    heldTokens: bigint("held_tokens", { mode: "number" }).notNull(),
    heldMoney: bigint("held_money", { mode: "number" }).notNull(),
    heldWall: bigint("held_wall", { mode: "number" }).notNull(),
    heldEnergy: bigint("held_energy", { mode: "number" }).notNull(),
    spentTokens: bigint("spent_tokens", { mode: "number" }).notNull(),
    spentMoney: bigint("spent_money", { mode: "number" }).notNull(),
    spentWall: bigint("spent_wall", { mode: "number" }).notNull(),
    spentEnergy: bigint("spent_energy", { mode: "number" }).notNull(),
    /** Usage above holds; outside the bound. */
    overrunTokens: bigint("overrun_tokens", { mode: "number" }).notNull(),
    overrunMoney: bigint("overrun_money", { mode: "number" }).notNull(),
    overrunWall: bigint("overrun_wall", { mode: "number" }).notNull(),
    overrunEnergy: bigint("overrun_energy", { mode: "number" }).notNull(),
    /** Holds of attempts that ended without evidence. */
    presumedTokens: bigint("presumed_tokens", { mode: "number" }).notNull(),
    presumedMoney: bigint("presumed_money", { mode: "number" }).notNull(),
    presumedWall: bigint("presumed_wall", { mode: "number" }).notNull(),
    presumedEnergy: bigint("presumed_energy", { mode: "number" }).notNull(),
    stepsTotal: integer("steps_total").notNull(),
    stepsEnded: integer("steps_ended").notNull(),
    stepsSucceeded: integer("steps_succeeded").notNull(),
    stepsFailed: integer("steps_failed").notNull(),
    stepsRunning: integer("steps_running").notNull(),
    /** Ready steps that the budget keeps from being leased. */
    stepsStarved: integer("steps_starved").notNull(),
    minTrust: doublePrecision("min_trust").notNull(),
    traceparent: text("traceparent").notNull(),
    createdMs: bigint("created_ms", { mode: "number" }).notNull(),
    committedMs: bigint("committed_ms", { mode: "number" }),
    deadlineMs: bigint("deadline_ms", { mode: "number" }),
    finishedMs: bigint("finished_ms", { mode: "number" }),
  },
  (t) => [primaryKey({ columns: [t.orgId, t.planId] })],
);
