// Writes what decisions changed, for many plans at once, each row at most once. Not here: reading, see slice.ts.
// Locks: the caller holds the plan rows; every statement joins on the full key.
import type { Approval } from "../../domain/approval.ts";
import type { OrgId, PlanId } from "../../domain/id.ts";
import type { Attempt } from "../../domain/outcome.ts";
import { payloadText } from "../../domain/payload.ts";
import type { LateReport, PlanChanges, ResolvedInput } from "../../domain/plan/slice.ts";
import type { StoredRecord } from "../../domain/record.ts";
import type { BatchKey } from "../ports/batches.ts";
import { amountColumns, arrayLiteral, arraysOf, insertText, updateText } from "./columns.ts";
import type { BulkColumn } from "./columns.ts";
import { PLAN_KEYS, PLAN_WRITTEN_ALL, PLAN_WRITTEN_HOT } from "./plan-rows.ts";
import { STEP_KEYS, STEP_MUTABLE } from "./step-rows.ts";

/** Runs one prepared statement on the transaction's connection; statements are sent without waiting for each other. */
export type Run = (text: string, parameters: unknown[]) => PromiseLike<unknown>;

interface Owned<T> {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly it: T;
}

function owned<T>(): readonly BulkColumn<Owned<T>>[] {
  return [
    { name: "org_id", type: "uuid", value: (o) => o.orgId },
    { name: "plan_id", type: "uuid", value: (o) => o.planId },
  ];
}

const WAIT_KEYS: readonly BulkColumn<Owned<PlanChanges["waits"][number]>>[] = [
  ...owned<PlanChanges["waits"][number]>(),
  { name: "ordinal", type: "int", value: ({ it }) => it.ordinal },
];
const WAITS: readonly BulkColumn<Owned<PlanChanges["waits"][number]>>[] = [
  { name: "waiting_on", type: "int", value: ({ it }) => it.waitingOn },
];

const ATTEMPTS: readonly BulkColumn<Owned<Attempt>>[] = [
  ...owned<Attempt>(),
  { name: "ordinal", type: "int", value: ({ it }) => it.ordinal },
  { name: "fencing", type: "bigint", value: ({ it }) => it.fencing },
  { name: "attempt", type: "int", value: ({ it }) => it.attempt },
  { name: "undoing", type: "boolean", value: ({ it }) => it.undoing },
  { name: "state", type: "text", value: ({ it }) => it.state },
  { name: "executor_id", type: "uuid", value: ({ it }) => it.executorId },
  { name: "leased_ms", type: "bigint", value: ({ it }) => it.leasedMs },
  { name: "ended_ms", type: "bigint", value: ({ it }) => it.endedMs },
  { name: "ready_ms", type: "bigint", value: ({ it }) => it.readyMs },
  { name: "outputs", type: "text", value: ({ it }) => payloadText(it.outputs) },
  { name: "outputs_digest", type: "text", value: ({ it }) => it.outputsDigest },
  { name: "body_digest", type: "bytea", value: ({ it }) => it.bodyDigest },
  { name: "error_class", type: "text", value: ({ it }) => it.failure?.errorClass ?? null },
  { name: "message", type: "text", value: ({ it }) => it.failure?.message ?? null },
  { name: "details", type: "text", value: ({ it }) => it.failure?.details ?? null },
  {
    name: "artifacts",
    type: "text",
    value: ({ it }) => (it.artifacts.length === 0 ? null : JSON.stringify(it.artifacts)),
  },
  { name: "log_tail", type: "text", value: ({ it }) => (it.logTail === "" ? null : it.logTail) },
  ...amountColumns<Owned<Attempt>>("hold", ({ it }) => it.hold),
  ...amountColumns<Owned<Attempt>>("usage", ({ it }) => it.usage),
  { name: "record_id", type: "uuid", value: ({ it }) => it.recordId },
];

const RECORDS: readonly BulkColumn<Owned<StoredRecord>>[] = [
  ...owned<StoredRecord>(),
  { name: "seq", type: "bigint", value: ({ it }) => it.seq },
  { name: "record_id", type: "uuid", value: ({ it }) => it.recordId },
  { name: "kind", type: "text", value: ({ it }) => it.kind },
  { name: "at_ms", type: "bigint", value: ({ it }) => it.atMs },
  { name: "header", type: "text", value: ({ it }) => it.header },
  { name: "body", type: "text", value: ({ it }) => it.body },
  { name: "payload_commitment", type: "bytea", value: ({ it }) => it.payloadCommitment },
  { name: "header_salt", type: "bytea", value: ({ it }) => it.headerSalt },
  { name: "body_salt", type: "bytea", value: ({ it }) => it.bodySalt },
  { name: "leaf", type: "bytea", value: ({ it }) => it.leaf },
];

const INPUTS: readonly BulkColumn<Owned<ResolvedInput>>[] = [
  ...owned<ResolvedInput>(),
  { name: "ordinal", type: "int", value: ({ it }) => it.ordinal },
  { name: "undoing", type: "boolean", value: ({ it }) => it.undoing },
  { name: "input", type: "text", value: ({ it }) => it.input },
  { name: "effective_digest", type: "text", value: ({ it }) => it.effectiveDigest },
];

const LATE_KEYS: readonly BulkColumn<Owned<LateReport>>[] = [
  ...owned<LateReport>(),
  { name: "ordinal", type: "int", value: ({ it }) => it.ordinal },
  { name: "fencing", type: "bigint", value: ({ it }) => it.fencing },
];
const LATE: readonly BulkColumn<Owned<LateReport>>[] = [
  { name: "late_digest", type: "bytea", value: ({ it }) => it.lateDigest },
  ...amountColumns<Owned<LateReport>>("usage", ({ it }) => it.usage),
];

const TIMERS: readonly BulkColumn<Owned<{ readonly ordinal: number; readonly dueMs: number | null }>>[] = [
  ...owned<{ readonly ordinal: number; readonly dueMs: number | null }>(),
  { name: "ordinal", type: "int", value: ({ it }) => it.ordinal },
  { name: "due_ms", type: "bigint", value: ({ it }) => it.dueMs },
];

const APPROVALS: readonly BulkColumn<Approval>[] = [
  { name: "org_id", type: "uuid", value: (a) => a.orgId },
  { name: "plan_id", type: "uuid", value: (a) => a.planId },
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

const CHECKPOINTS: readonly BulkColumn<Owned<PlanChanges["checkpoints"][number]> & { readonly atMs: number }>[] = [
  { name: "org_id", type: "uuid", value: (o) => o.orgId },
  { name: "plan_id", type: "uuid", value: (o) => o.planId },
  { name: "ordinal", type: "int", value: ({ it }) => it.ordinal },
  { name: "fencing", type: "bigint", value: ({ it }) => it.fencing },
  { name: "checkpoint", type: "text", value: ({ it }) => it.checkpoint },
  { name: "at_ms", type: "bigint", value: ({ atMs }) => atMs },
];

const VERSION_KEYS: readonly BulkColumn<Owned<number>>[] = [
  ...owned<number>(),
  { name: "version", type: "int", value: ({ it }) => it },
];
const VERSION_REJECTED: readonly BulkColumn<Owned<number>>[] = [
  { name: "state", type: "text", value: () => "REJECTED" },
];

const GOALS: readonly BulkColumn<Owned<NonNullable<PlanChanges["goal"]>>>[] = [
  { name: "state", type: "text", value: ({ it }) => it.state },
  { name: "finished_ms", type: "bigint", value: ({ it }) => it.finishedMs },
];

const TEXT = {
  steps: updateText("steps", STEP_KEYS, STEP_MUTABLE),
  waits: updateText("steps", WAIT_KEYS, WAITS),
  plansHot: updateText("plans", PLAN_KEYS, PLAN_WRITTEN_HOT),
  plansAll: updateText("plans", PLAN_KEYS, PLAN_WRITTEN_ALL),
  attempts: insertText("attempts", ATTEMPTS),
  records: insertText("records", RECORDS),
  inputs: insertText(
    "step_inputs",
    INPUTS,
    "ON CONFLICT (org_id, plan_id, ordinal, undoing) DO UPDATE SET input = excluded.input, effective_digest = excluded.effective_digest",
  ),
  late: updateText("attempts", LATE_KEYS, LATE),
  timersSet: insertText(
    "timers",
    TIMERS,
    "ON CONFLICT (org_id, plan_id, ordinal) DO UPDATE SET due_ms = excluded.due_ms",
  ),
  timersCleared: `DELETE FROM maestro.timers t USING unnest($1::uuid[], $2::uuid[], $3::int[]) AS v(org_id, plan_id, ordinal) WHERE t.org_id = v.org_id AND t.plan_id = v.plan_id AND t.ordinal = v.ordinal`,
  approvals: insertText(
    "approvals",
    APPROVALS,
    "ON CONFLICT (org_id, plan_id, approval_id) DO UPDATE SET state = excluded.state, decided_by = excluded.decided_by, decided_ms = excluded.decided_ms, comment = excluded.comment",
  ),
  rejected: updateText("graph_versions", VERSION_KEYS, VERSION_REJECTED),
  checkpoints: insertText(
    "checkpoints",
    CHECKPOINTS,
    "ON CONFLICT (org_id, plan_id, ordinal) DO UPDATE SET fencing = excluded.fencing, checkpoint = excluded.checkpoint, at_ms = excluded.at_ms",
  ),
  goals: updateText("goals", owned<NonNullable<PlanChanges["goal"]>>(), GOALS),
  cascadeSet:
    "INSERT INTO maestro.cascades (org_id, plan_id, frontier, sweep_from, created_ms) VALUES ($1, $2, $3::int[], $4, $5) " +
    "ON CONFLICT (org_id, plan_id) DO UPDATE SET frontier = excluded.frontier, sweep_from = excluded.sweep_from",
  cascadeDone: "DELETE FROM maestro.cascades WHERE org_id = $1 AND plan_id = $2",
};

/** Sends all writes of a batch without waiting in between. `hotOnly`: no plan's versions, limits or totals changed. */
export function sendChanges(
  run: Run,
  changes: readonly PlanChanges[],
  options: { readonly hotOnly: boolean; readonly nowMs: number },
): PromiseLike<unknown>[] {
  const sent: PromiseLike<unknown>[] = [];
  const bulk = <Row>(text: string, columns: readonly BulkColumn<Row>[], rows: readonly Row[]): void => {
    if (rows.length > 0) sent.push(run(text, arraysOf(columns, rows)));
  };
  const own = <T>(of: (c: PlanChanges) => readonly T[]): Owned<T>[] =>
    changes.flatMap((c) => of(c).map((it) => ({ orgId: c.plan.orgId, planId: c.plan.planId, it })));
  bulk(
    TEXT.steps,
    [...STEP_KEYS, ...STEP_MUTABLE],
    changes.flatMap((c) => c.steps.map((row) => ({ orgId: c.plan.orgId, row }))),
  );
  bulk(
    TEXT.waits,
    [...WAIT_KEYS, ...WAITS],
    own((c) => c.waits),
  );
  if (options.hotOnly)
    bulk(
      TEXT.plansHot,
      [...PLAN_KEYS, ...PLAN_WRITTEN_HOT],
      changes.map((c) => c.plan),
    );
  else
    bulk(
      TEXT.plansAll,
      [...PLAN_KEYS, ...PLAN_WRITTEN_ALL],
      changes.map((c) => c.plan),
    );
  bulk(
    TEXT.attempts,
    ATTEMPTS,
    own((c) => c.attempts),
  );
  bulk(
    TEXT.records,
    RECORDS,
    own((c) => c.records),
  );
  bulk(
    TEXT.inputs,
    INPUTS,
    own((c) => c.inputs),
  );
  bulk(
    TEXT.late,
    [...LATE_KEYS, ...LATE],
    own((c) => c.late),
  );
  const timers = own((c) => c.timers);
  bulk(
    TEXT.timersSet,
    TIMERS,
    timers.filter((t) => t.it.dueMs !== null),
  );
  bulk(
    TEXT.timersCleared,
    TIMERS.slice(0, 3),
    timers.filter((t) => t.it.dueMs === null),
  );
  bulk(
    TEXT.approvals,
    APPROVALS,
    changes.flatMap((c) => c.approvals),
  );
  bulk(
    TEXT.rejected,
    [...VERSION_KEYS, ...VERSION_REJECTED],
    own((c) => c.rejectedVersions),
  );
  bulk(
    TEXT.checkpoints,
    CHECKPOINTS,
    own((c) => c.checkpoints).map((o) => ({ ...o, atMs: options.nowMs })),
  );
  bulk(
    TEXT.goals,
    [...owned<NonNullable<PlanChanges["goal"]>>(), ...GOALS],
    own((c) => (c.goal === null ? [] : [c.goal])),
  );
  for (const { plan, cascade } of changes) {
    if (cascade === undefined) continue;
    sent.push(
      cascade === null
        ? run(TEXT.cascadeDone, [plan.orgId, plan.planId])
        : run(TEXT.cascadeSet, [
            plan.orgId,
            plan.planId,
            arrayLiteral("int", cascade.frontier),
            cascade.sweepFrom,
            plan.createdMs,
          ]),
    );
  }
  return sent;
}

const KEYS: readonly BulkColumn<BatchKey & { readonly nowMs: number }>[] = [
  { name: "org_id", type: "uuid", value: (k) => k.call.orgId },
  { name: "principal", type: "text", value: (k) => k.call.principal },
  { name: "key", type: "text", value: (k) => k.call.key },
  { name: "operation", type: "text", value: (k) => k.call.operation },
  { name: "body_digest", type: "bytea", value: (k) => k.call.bodyDigest },
  { name: "answer", type: "bytea", value: (k) => k.answer },
  { name: "created_ms", type: "bigint", value: (k) => k.nowMs },
  { name: "expires_ms", type: "bigint", value: (k) => k.nowMs + k.lifetimeMs },
];
// A key that has expired is free again.
const EXPIRED =
  "ON CONFLICT (org_id, principal, key) DO UPDATE SET operation = excluded.operation, body_digest = excluded.body_digest, answer = excluded.answer, refusal = NULL, created_ms = excluded.created_ms, expires_ms = excluded.expires_ms WHERE idempotency_keys.expires_ms <= excluded.created_ms";
const KEYS_TEXT = {
  exclusive: insertText("idempotency_keys", KEYS),
  other: insertText("idempotency_keys", KEYS, EXPIRED),
};

/** Keeps idempotency keys with the batch that carries their effects. */
export function sendKeys(run: Run, keys: readonly BatchKey[], nowMs: number): PromiseLike<unknown>[] {
  return [true, false].flatMap((exclusive) => {
    const rows = keys.filter((k) => k.exclusive === exclusive).map((k) => ({ ...k, nowMs }));
    return rows.length === 0 ? [] : [run(exclusive ? KEYS_TEXT.exclusive : KEYS_TEXT.other, arraysOf(KEYS, rows))];
  });
}
