// Outcomes: what an executor reports, checked against the lease and turned into the step's next state. Not here: the consequences.
import type { Amounts } from "../amounts.ts";
import { conforms } from "../expression/schema.ts";
import { GATEKEEPER } from "../gate.ts";
import type { ExecutorId, RecordId } from "../id.ts";
import type { AttemptState, Failure, Outcome, OutcomeResult, Receipt } from "../outcome.ts";
import { settleHold, settlePresumed } from "../plan.ts";
import { decided, notFound, refused } from "../refusal.ts";
import type { Decision } from "../refusal.ts";
import { has, STEP_FLAGS } from "../step.ts";
import type { StepRow } from "../step.ts";
import type { PlanDraft } from "./draft.ts";
import { afterAttempt } from "./consequences.ts";
import { endFailed, retryOrFail } from "./failure.ts";
import type { FailureResult } from "./failure.ts";
import { holdOf, isLive, leaseOf } from "./live.ts";
import { requeue, unpark } from "./queue.ts";
import { MissingRows } from "./slice.ts";
import type { EarlierAttempt } from "./slice.ts";

/** Takes an outcome: exactly one counts for a lease; the same again gets the same answer; anything else is evidence. */
export function report(draft: PlanDraft, outcome: Outcome, executorId: ExecutorId): Decision<Receipt> {
  const { ordinal, fencing, step } = outcome.lease;
  const row = draft.find(ordinal);
  if (row === undefined) {
    if (ordinal < 1 || ordinal >= draft.plan.nextOrdinal) return notFound("step", step);
    throw new MissingRows({ steps: [ordinal] });
  }
  if (row.key !== step) return notFound("step", step);
  if (!isLive(row, fencing)) return reportEnded(draft, row, outcome, executorId);
  if (row.executorId !== executorId) {
    return refused("EXECUTOR_UNFIT", `The lease of step ${step} belongs to another executor.`, {
      metadata: { executor_id: executorId },
    });
  }
  return decided(take(draft, row, outcome, executorId));
}

interface Judged {
  readonly state: AttemptState;
  readonly failure: Failure | null;
  readonly outputs: Extract<OutcomeResult, { kind: "success" }> | null;
}

function take(draft: PlanDraft, row: StepRow, outcome: Outcome, executorId: ExecutorId): Receipt {
  const { plan, context } = draft;
  const { ordinal, fencing } = outcome.lease;
  const judged = judge(draft, row, outcome.result);
  // What Maestro does itself is on nobody's account.
  const heldMs = executorId === GATEKEEPER ? 0 : context.nowMs - (row.startedMs ?? context.nowMs);
  // Wall-clock is what was held here; an executor may report more (it began earlier elsewhere), never less.
  const usage: Amounts = { ...outcome.usage, wallMs: Math.max(outcome.usage.wallMs, heldMs) };
  const hold = holdOf(row);
  plan.account = settleHold(plan.account, hold, usage);
  const recordId = draft.newRecordId();
  const result = nextState(draft, row, judged);
  const outputsText = judged.outputs?.outputs?.kind === "json" ? judged.outputs.outputs.text : null;
  draft.addAttempt(
    {
      planId: plan.planId,
      ordinal,
      fencing,
      attempt: row.attempt,
      undoing: row.undoing,
      state: judged.state,
      executorId,
      readyMs: row.readyMs ?? 0,
      leasedMs: row.startedMs ?? 0,
      endedMs: context.nowMs,
      outputs: judged.outputs?.outputs ?? null,
      outputsDigest: judged.outputs?.outputsDigest ?? "",
      bodyDigest: outcome.bodyDigest,
      failure: judged.failure,
      artifacts: outcome.artifacts,
      logTail: outcome.logTail,
      hold,
      usage,
      lateDigest: null,
      recordId,
    },
    outputsText,
  );
  const state = draft.step(ordinal).state;
  draft.record("outcome.report", recordBody(row, judged, state, usage, executorId), {
    id: recordId,
    payload: outputsText,
  });
  afterAttempt(draft, ordinal, result, judged.failure?.message ?? "");
  draft.consequencesOf(recordId);
  return { lease: leaseOf(draft, row), stepState: state, recordId, duplicate: false };
}

function recordBody(
  row: StepRow,
  judged: Judged,
  state: StepRow["state"],
  usage: Amounts,
  executorId: ExecutorId,
): Readonly<Record<string, unknown>> {
  return {
    step: row.key,
    ordinal: row.ordinal,
    fencing: row.fencing,
    attempt: row.attempt,
    executor: executorId,
    state,
    ready_at: row.readyMs,
    leased_at: row.startedMs,
    tokens: usage.tokens,
    money: usage.moneyMicros,
    wall: usage.wallMs,
    energy: usage.energyMillijoules,
    ...(row.undoing ? { undoing: true } : {}),
    ...(judged.outputs === null || judged.outputs.outputsDigest === ""
      ? {}
      : { outputs_digest: judged.outputs.outputsDigest }),
    ...(judged.failure === null
      ? {}
      : { error_class: judged.failure.errorClass, message: judged.failure.message.slice(0, 4_096) }),
  };
}

/** What the attempt came to, once outputs are held against their schema. */
function judge(draft: PlanDraft, row: StepRow, result: OutcomeResult): Judged {
  switch (result.kind) {
    case "success": {
      if (has(row.flags, STEP_FLAGS.OUTPUT_SCHEMA) && !row.undoing) {
        const checked = conforms(
          draft.definition(row.ordinal).outputSchema,
          result.outputs?.kind === "json" ? result.outputs.text : "null",
        );
        if (!checked.ok)
          return {
            state: "FAILED",
            failure: {
              errorClass: "SCHEMA",
              message: `outputs do not satisfy output_schema: ${checked.message}`,
              details: "",
            },
            outputs: null,
          };
      }
      return { state: "SUCCEEDED", failure: null, outputs: result };
    }
    case "failure":
      return { state: "FAILED", failure: result.failure, outputs: null };
    case "refusal":
      return {
        state: "REFUSED",
        failure: {
          errorClass: "PERMANENT",
          message: result.explanation,
          details: JSON.stringify({ rule: result.rule }),
        },
        outputs: null,
      };
    case "stopped":
      return {
        state: "STOPPED",
        failure: { errorClass: "CANCELLED", message: result.message === "" ? "stopped" : result.message, details: "" },
        outputs: null,
      };
    case "returned":
      return {
        state: "RETURNED",
        failure: { errorClass: "LOST", message: result.message === "" ? "given back" : result.message, details: "" },
        outputs: null,
      };
  }
}

function nextState(draft: PlanDraft, row: StepRow, judged: Judged): FailureResult {
  const { ordinal } = row;
  if (judged.state === "SUCCEEDED") {
    draft.move(ordinal, row.undoing ? "COMPENSATED" : "SUCCEEDED", { failures: 0 });
    return "ended";
  }
  if (row.state === "STOPPING") {
    // It was told to stop: whatever it says short of success, it has stopped.
    draft.move(ordinal, "CANCELLED");
    return "stopped";
  }
  if (judged.state === "RETURNED") {
    requeue(draft, ordinal);
    // Unbegun: it was no attempt.
    draft.patch(ordinal, { attempt: row.attempt - 1 });
    return "again";
  }
  const failure = judged.failure ?? { errorClass: "TRANSIENT", message: "", details: "" };
  if (judged.state === "REFUSED") return endFailed(draft, ordinal, "REFUSED", failure);
  return retryOrFail(draft, ordinal, failure);
}

/** A report for an attempt that had ended: a repeat, a late one, or a contradiction. State is never changed; usage of a lost attempt counts. */
function reportEnded(draft: PlanDraft, row: StepRow, outcome: Outcome, executorId: ExecutorId): Decision<Receipt> {
  const { ordinal, fencing, step } = outcome.lease;
  const metadata = { expected: String(row.fencing), actual: String(fencing) };
  const earlier = draft.earlier(ordinal, fencing);
  if (earlier === null)
    return refused("STALE_LEASE", `Step ${step} was never leased under fencing number ${String(fencing)}.`, {
      metadata,
    });
  if (earlier.executorId !== executorId) {
    return refused("EXECUTOR_UNFIT", `The lease of step ${step} belonged to another executor.`, {
      metadata: { executor_id: executorId },
    });
  }
  if (earlier.bodyDigest === outcome.bodyDigest) {
    return decided({ lease: { ...outcome.lease }, stepState: row.state, recordId: earlier.recordId, duplicate: true });
  }
  const seen = earlier.lateDigest !== null;
  if (earlier.bodyDigest === null) {
    const recordId = seen ? null : keepLate(draft, row, outcome, earlier);
    // What was presumed may be more than what was used.
    if (draft.plan.state === "ACTIVE" && draft.plan.ending === null) unpark(draft);
    return refused("STALE_LEASE", `The lease of step ${step} had ended; the report is kept as evidence.`, {
      metadata,
      ...uri(recordId),
    });
  }
  const recordId = seen ? null : keepContradiction(draft, row, outcome, earlier);
  return refused("CONTRADICTORY_EVIDENCE", `Another outcome was reported before for this attempt of step ${step}.`, {
    metadata: { expected: earlier.bodyDigest, actual: outcome.bodyDigest },
    ...uri(recordId),
  });
}

/** The first report of a lost attempt settles what was presumed of it. */
function keepLate(draft: PlanDraft, row: StepRow, outcome: Outcome, earlier: EarlierAttempt): RecordId {
  draft.plan.account = settlePresumed(draft.plan.account, earlier.hold, outcome.usage);
  return keepEvidence(draft, row, outcome, outcome.usage, "outcome.late");
}

/** The attempt keeps the usage that was booked for it: what contradicts it is told by the record alone. */
function keepContradiction(draft: PlanDraft, row: StepRow, outcome: Outcome, earlier: EarlierAttempt): RecordId {
  return keepEvidence(draft, row, outcome, earlier.usage, "outcome.contradicted");
}

/** One evidence record per attempt. */
function keepEvidence(draft: PlanDraft, row: StepRow, outcome: Outcome, usage: Amounts, kind: string): RecordId {
  const { ordinal, fencing } = outcome.lease;
  draft.addLate({ ordinal, fencing, lateDigest: outcome.bodyDigest, usage, artifacts: outcome.artifacts });
  return draft.record(kind, {
    step: row.key,
    ordinal,
    fencing,
    result: outcome.result.kind,
    usage: outcome.usage,
    digest: outcome.bodyDigest,
  });
}

function uri(recordId: RecordId | null): { readonly recordUri?: string } {
  return recordId === null ? {} : { recordUri: recordId };
}
