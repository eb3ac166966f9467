// The statements that write what decisions changed, with their columns. Not here: which rows are written, see write-changes.ts.
import type { Approval } from "../../domain/approval.ts";
import type { Attempt } from "../../domain/outcome.ts";
import { payloadText } from "../../domain/payload.ts";
import type { PlanRow } from "../../domain/plan.ts";
import type { LateReport, PlanChanges, ResolvedInput } from "../../domain/plan/slice.ts";
import type { StoredRecord } from "../../domain/record.ts";
import type { RunArtifact } from "../../domain/run-artifact.ts";
import type { StepRow } from "../../domain/step.ts";
import { amountColumns } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import { placedDelete, placedInsert, placedUpdate, TEXTS } from "./placed.ts";
import { PLAN_HOT, PLAN_RARE } from "./plan-rows.ts";
import { RUN_ARTIFACT_REST } from "./run-artifact-rows.ts";
import { STEP_HOT, STEP_ORDINAL, STEP_RARE } from "./step-rows.ts";

type Checkpoint = PlanChanges["checkpoints"][number] & { readonly atMs: number };

const WAIT_KEYS: readonly BulkColumn<PlanChanges["waits"][number]>[] = [
  { name: "ordinal", type: "int", value: (it) => it.ordinal },
];
const WAITS: readonly BulkColumn<PlanChanges["waits"][number]>[] = [
  { name: "waiting_on", type: "int", value: (it) => it.waitingOn },
];

const ATTEMPTS: readonly BulkColumn<Attempt>[] = [
  { name: "ordinal", type: "int", value: (it) => it.ordinal },
  { name: "fencing", type: "bigint", value: (it) => it.fencing },
  { name: "attempt", type: "int", value: (it) => it.attempt },
  { name: "undoing", type: "boolean", value: (it) => it.undoing },
  { name: "state", type: "text", value: (it) => it.state },
  { name: "executor_id", type: "uuid", value: (it) => it.executorId },
  { name: "leased_ms", type: "bigint", value: (it) => it.leasedMs },
  { name: "ended_ms", type: "bigint", value: (it) => it.endedMs },
  { name: "ready_ms", type: "bigint", value: (it) => it.readyMs },
  { name: "outputs", type: TEXTS, value: (it) => payloadText(it.outputs) },
  { name: "outputs_digest", type: "text", value: (it) => it.outputsDigest },
  { name: "body_digest", type: "bytea", value: (it) => it.bodyDigest },
  ...amountColumns<Attempt>("hold", (it) => it.hold),
  ...amountColumns<Attempt>("usage", (it) => it.usage),
  { name: "record_id", type: "uuid", value: (it) => it.recordId },
];

/** Null for most attempts. */
const ATTEMPTS_RARE: readonly BulkColumn<Attempt>[] = [
  { name: "error_class", type: "text", value: (it) => it.failure?.errorClass ?? null },
  { name: "message", type: "text", value: (it) => it.failure?.message ?? null },
  { name: "details", type: "text", value: (it) => it.failure?.details ?? null },
  {
    name: "artifacts",
    type: "text",
    value: (it) => (it.artifacts.length === 0 ? null : JSON.stringify(it.artifacts)),
  },
  { name: "log_tail", type: "text", value: (it) => (it.logTail === "" ? null : it.logTail) },
];

const RECORDS: readonly BulkColumn<StoredRecord>[] = [
  { name: "seq", type: "bigint", value: (it) => it.seq },
  { name: "record_id", type: "uuid", value: (it) => it.recordId },
  { name: "kind", type: "text", value: (it) => it.kind },
  { name: "at_ms", type: "bigint", value: (it) => it.atMs },
  { name: "header", type: TEXTS, value: (it) => it.header },
  { name: "body", type: TEXTS, value: (it) => it.body },
  { name: "payload_commitment", type: "bytea", value: (it) => it.payloadCommitment },
  { name: "header_salt", type: "bytea", value: (it) => it.headerSalt },
  { name: "body_salt", type: "bytea", value: (it) => it.bodySalt },
  { name: "leaf", type: "bytea", value: (it) => it.leaf },
];

const INPUTS: readonly BulkColumn<ResolvedInput>[] = [
  { name: "ordinal", type: "int", value: (it) => it.ordinal },
  { name: "undoing", type: "boolean", value: (it) => it.undoing },
  { name: "input", type: TEXTS, value: (it) => it.input },
  { name: "effective_digest", type: "text", value: (it) => it.effectiveDigest },
];

const LATE_KEYS: readonly BulkColumn<LateReport>[] = [
  { name: "ordinal", type: "int", value: (it) => it.ordinal },
  { name: "fencing", type: "bigint", value: (it) => it.fencing },
];
const LATE: readonly BulkColumn<LateReport>[] = [
  { name: "late_digest", type: "bytea", value: (it) => it.lateDigest },
  ...amountColumns<LateReport>("usage", (it) => it.usage),
];

const TIMERS: readonly BulkColumn<PlanChanges["timers"][number]>[] = [
  { name: "ordinal", type: "int", value: (it) => it.ordinal },
  { name: "due_ms", type: "bigint", value: (it) => it.dueMs },
];

const APPROVALS: readonly BulkColumn<Approval>[] = [
  { name: "approval_id", type: "uuid", value: (a) => a.approvalId },
  { name: "subject", type: "text", value: (a) => a.subject },
  { name: "ordinal", type: "int", value: (a) => a.ordinal },
  { name: "step", type: "text", value: (a) => a.step },
  { name: "version", type: "int", value: (a) => a.version },
  { name: "digest", type: "text", value: (a) => a.digest },
  { name: "state", type: "text", value: (a) => a.state },
  { name: "question", type: "text", value: (a) => a.question },
  { name: "requested_by", type: "text", value: (a) => a.requestedBy },
  { name: "requested_ms", type: "bigint", value: (a) => a.requestedMs },
  { name: "decided_by", type: "text", value: (a) => a.decidedBy },
  { name: "decided_ms", type: "bigint", value: (a) => a.decidedMs },
  { name: "comment", type: "text", value: (a) => a.comment },
  { name: "context", type: "text", value: (a) => a.context },
];

const CHECKPOINTS: readonly BulkColumn<Checkpoint>[] = [
  { name: "ordinal", type: "int", value: (it) => it.ordinal },
  { name: "fencing", type: "bigint", value: (it) => it.fencing },
  { name: "checkpoint", type: "text", value: (it) => it.checkpoint },
  { name: "at_ms", type: "bigint", value: (it) => it.atMs },
];

const VERSION_KEYS: readonly BulkColumn<number>[] = [{ name: "version", type: "int", value: (it) => it }];
const VERSION_REJECTED: readonly BulkColumn<number>[] = [{ name: "state", type: "text", value: () => "REJECTED" }];

const GOALS: readonly BulkColumn<NonNullable<PlanChanges["goal"]>>[] = [
  { name: "state", type: "text", value: (it) => it.state },
  { name: "finished_ms", type: "bigint", value: (it) => it.finishedMs },
];

export const STATEMENTS = {
  /** Most rows change in nothing else; whether one does is asked of the columns themselves, see `same`. */
  stepsHot: placedUpdate<StepRow>("steps", STEP_ORDINAL, STEP_HOT),
  stepsAll: placedUpdate<StepRow>("steps", STEP_ORDINAL, [...STEP_HOT, ...STEP_RARE]),
  waits: placedUpdate("steps", WAIT_KEYS, WAITS),
  plansHot: placedUpdate<PlanRow>("plans", [], PLAN_HOT),
  plansAll: placedUpdate<PlanRow>("plans", [], [...PLAN_HOT, ...PLAN_RARE]),
  attempts: placedInsert("attempts", ATTEMPTS),
  attemptsAll: placedInsert("attempts", [...ATTEMPTS, ...ATTEMPTS_RARE]),
  records: placedInsert("records", RECORDS),
  inputs: placedInsert(
    "step_inputs",
    INPUTS,
    "ON CONFLICT (org_id, plan_id, ordinal, undoing) DO UPDATE SET input = excluded.input, effective_digest = excluded.effective_digest",
  ),
  runArtifacts: placedInsert<RunArtifact>("run_artifacts", RUN_ARTIFACT_REST, "", "run_id"),
  late: placedUpdate("attempts", LATE_KEYS, LATE),
  timersSet: placedInsert(
    "timers",
    TIMERS,
    "ON CONFLICT (org_id, plan_id, ordinal) DO UPDATE SET due_ms = excluded.due_ms",
  ),
  timersCleared: placedDelete("timers", TIMERS.slice(0, 1)),
  approvals: placedInsert(
    "approvals",
    APPROVALS,
    "ON CONFLICT (org_id, plan_id, approval_id) DO UPDATE SET state = excluded.state, decided_by = excluded.decided_by, decided_ms = excluded.decided_ms, comment = excluded.comment",
  ),
  versionsRejected: placedUpdate("graph_versions", VERSION_KEYS, VERSION_REJECTED),
  checkpoints: placedInsert(
    "checkpoints",
    CHECKPOINTS,
    "ON CONFLICT (org_id, plan_id, ordinal) DO UPDATE SET fencing = excluded.fencing, checkpoint = excluded.checkpoint, at_ms = excluded.at_ms",
  ),
  goals: placedUpdate("goals", [], GOALS),
};

/** Whether two rows agree in all of these columns. */
export function same<T>(columns: readonly BulkColumn<T>[], a: T | undefined, b: T): boolean {
  return a !== undefined && columns.every((c) => c.value(a) === c.value(b));
}

export function isPlain(attempt: Attempt): boolean {
  return ATTEMPTS_RARE.every((c) => c.value(attempt) === null);
}
