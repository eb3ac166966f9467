// What passes between server and executors: leases, assignments, outcomes, receipts, renewals. Hot: literals only, one pass, no second validation.
import { Purpose } from "../../../gen/maestro/v1/dispatch_pb.ts";
import type {
  Assignment as WireAssignment,
  Lease,
  LogLine as WireLogLine,
  Outcome as WireOutcome,
  OutcomeReceipt,
  Renewal,
} from "../../../gen/maestro/v1/dispatch_pb.ts";
import type { Failure as WireFailure } from "../../../gen/maestro/v1/step_pb.ts";
import type { LogLine, RenewalReport } from "../../dispatch/dispatcher.ts";
import type { OrgId } from "../../domain/id.ts";
import { outcomeDigest } from "../../domain/outcome.ts";
import type { Assignment, Failure, LeaseRef, Outcome, OutcomeResult, Receipt } from "../../domain/outcome.ts";
import { parseJson } from "../../domain/json.ts";
import { recordUri } from "../../engine/record.ts";
import { amountsOf, amountsToWire, budgetToWire } from "./amounts.ts";
import { artifactOf, outputsIn, payloadIn, payloadToWire } from "./payload.ts";
import { idIn, idText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { timestamp, timestampMs } from "./time.ts";
import { errorClasses, stepStates } from "./words.ts";

export function leaseToWire({ planId, step, ordinal, fencing }: LeaseRef): Lease {
  return { $typeName: "maestro.v1.Lease", planId: idText("plan", planId), step, ordinal, fencing: BigInt(fencing) };
}

export function leaseIn(problems: Problems, field: string, wire: Lease | undefined): LeaseRef {
  return {
    planId: idIn(problems, `${field}.plan_id`, "plan", wire?.planId ?? ""),
    step: wire?.step ?? "",
    ordinal: wire?.ordinal ?? 0,
    fencing: Number(wire?.fencing ?? 0n),
  };
}

export function leasesIn(problems: Problems, field: string, wires: readonly Lease[]): readonly LeaseRef[] {
  return wires.map((wire, i) => leaseIn(problems, `${field}[${i}]`, wire));
}

export function assignmentToWire(assignment: Assignment, orgText: string): WireAssignment {
  const { lease } = assignment;
  const planText = idText("plan", lease.planId);
  return {
    $typeName: "maestro.v1.Assignment",
    lease: {
      $typeName: "maestro.v1.Lease",
      planId: planText,
      step: lease.step,
      ordinal: lease.ordinal,
      fencing: BigInt(lease.fencing),
    },
    purpose: assignment.undoing ? Purpose.COMPENSATE : Purpose.EXECUTE,
    capability: assignment.capability,
    attempt: assignment.attempt,
    input: payloadToWire(assignment.input),
    deadline: timestamp(assignment.deadlineMs),
    // Stable over attempts: the same step, done or undone, under the same definition.
    idempotencyKey: `${planText}/${lease.step}/${lease.ordinal}${assignment.undoing ? "/undo" : ""}`,
    hold: amountsToWire(assignment.hold),
    remainingBudget: budgetToWire(assignment.remaining, assignment.currency),
    checkpoint: payloadToWire(assignment.checkpoint),
    traceparent: assignment.traceparent,
    orgId: orgText,
    readyAt: timestamp(assignment.readyMs),
  };
}

export function orgText(orgId: OrgId): string {
  return idText("org", orgId);
}

export function receiptToWire({ lease, stepState, recordId, duplicate }: Receipt): OutcomeReceipt {
  return {
    $typeName: "maestro.v1.OutcomeReceipt",
    lease: leaseToWire(lease),
    stepState: stepStates.number(stepState),
    recordUri: recordUri(recordId),
    duplicate,
  };
}

export function outcomesIn(problems: Problems, field: string, wires: readonly WireOutcome[]): readonly Outcome[] {
  return wires.map((wire, i) => outcomeIn(problems, `${field}[${i}]`, wire));
}

function outcomeIn(problems: Problems, field: string, wire: WireOutcome): Outcome {
  const said = {
    lease: leaseIn(problems, `${field}.lease`, wire.lease),
    result: resultIn(problems, field, wire),
    usage: amountsOf(wire.usage),
    artifacts: wire.artifacts.map(artifactOf),
  };
  return { ...said, bodyDigest: outcomeDigest(said), logTail: "" };
}

function resultIn(problems: Problems, field: string, { result }: WireOutcome): OutcomeResult {
  switch (result.case) {
    case "success": {
      const { payload, digest } = outputsIn(problems, `${field}.success.outputs`, result.value.outputs);
      return { kind: "success", outputs: payload, outputsDigest: digest };
    }
    case "failure":
      return { kind: "failure", failure: failureIn(problems, `${field}.failure`, result.value) };
    case "refusal":
      return { kind: "refusal", explanation: result.value.explanation, rule: result.value.rule };
    case "stopped":
      return { kind: "stopped", message: result.value.message };
    case "returned":
      return { kind: "returned", message: result.value.message };
    case undefined:
      problems.add(field, "needs a result", "oneof.required");
      return { kind: "returned", message: "" };
  }
}

export function failureIn(
  problems: Problems,
  field: string,
  { errorClass, message, detailsJson }: WireFailure,
): Failure {
  if (detailsJson !== "") {
    const parsed = parseJson(detailsJson);
    const problem = !parsed.ok
      ? parsed.problem
      : typeof parsed.value === "object" && parsed.value !== null && !Array.isArray(parsed.value)
        ? ""
        : "must be a JSON object";
    if (problem !== "") problems.add(`${field}.details_json`, problem, "failure.details");
  }
  return { errorClass: errorClasses.word(errorClass) ?? "PERMANENT", message, details: detailsJson };
}

export function renewalsIn(
  problems: Problems,
  field: string,
  wires: readonly Renewal[],
  nowMs: number,
): readonly RenewalReport[] {
  return wires.map((wire, i) => ({
    lease: leaseIn(problems, `${field}[${i}].lease`, wire.lease),
    progress: wire.progress,
    message: wire.message,
    usage: wire.usage === undefined ? null : amountsOf(wire.usage),
    checkpoint: payloadIn(problems, `${field}[${i}].checkpoint`, wire.checkpoint),
    lines: wire.lines.map(({ at, stream, text }) => ({
      atMs: at === undefined ? nowMs : timestampMs(at),
      stream,
      text,
    })),
  }));
}

export function logLineToWire({ atMs, stream, text }: LogLine): WireLogLine {
  return { $typeName: "maestro.v1.LogLine", at: timestamp(atMs), stream, text };
}
