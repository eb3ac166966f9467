// What an attempt came to, as the wire says it: from what its handler returned or threw, and why it was interrupted.
import { create } from "@bufbuild/protobuf";
import type { JsonObject } from "@bufbuild/protobuf";
import {
  ExecutorRefusalSchema,
  OutcomeSchema,
  ReturnedSchema,
  StoppedSchema,
  SuccessSchema,
} from "../../gen/maestro/v1/dispatch_pb.ts";
import type { Lease, Outcome } from "../../gen/maestro/v1/dispatch_pb.ts";
import { ErrorClass, FailureSchema } from "../../gen/maestro/v1/step_pb.ts";
import { amounts, cut, jsonPayload, timestamp } from "./convert.ts";
import { Interruption, PermanentError, Refuse, TransientError } from "./errors.ts";
import type { FailureDetails } from "./errors.ts";

type Result = Outcome["result"];

const TEXT_BYTES = 65_536;

/** A success; outputs that cannot travel make it a failure of their shape. */
export function success(outputs: JsonObject | undefined): Result {
  if (outputs === undefined) return { case: "success", value: create(SuccessSchema) };
  if (typeof outputs !== "object" || Array.isArray(outputs)) {
    return failure(ErrorClass.SCHEMA, "the handler returned something that is not a JSON object");
  }
  try {
    return { case: "success", value: create(SuccessSchema, { outputs: jsonPayload(outputs) }) };
  } catch (error) {
    return failure(ErrorClass.SCHEMA, `outputs cannot be sent: ${messageOf(error)}`);
  }
}

/** What an error means. An interruption explains whatever a handler throws after it. */
export function fromError(error: unknown, interruption: Interruption | undefined): Result {
  if (error instanceof Refuse) {
    const explanation = cut(error.message || "refused", 4096);
    return { case: "refusal", value: create(ExecutorRefusalSchema, { explanation, rule: cut(error.rule, 255) }) };
  }
  const message = messageOf(error);
  const details = detailsOf(error);
  switch (interruption?.cause) {
    case "stopped":
    case "lost":
      return { case: "stopped", value: create(StoppedSchema, { message: cut(message, 4096) }) };
    case "deadline":
      return failure(ErrorClass.TIMEOUT, message, details);
    case "shutdown":
      return failure(ErrorClass.LOST, message, details);
    default:
      return failure(error instanceof PermanentError ? ErrorClass.PERMANENT : ErrorClass.TRANSIENT, message, details);
  }
}

/** The lease is given back unbegun. */
export function returned(message: string): Result {
  return { case: "returned", value: create(ReturnedSchema, { message: cut(message, 4096) }) };
}

/** The outcome of an attempt that was never begun, and so used nothing. */
export function unstarted(lease: Lease, result: Result, nowMs: number): Outcome {
  const usage = amounts({ tokens: 0, moneyMicros: 0, energyJoules: 0, wallMs: 0 });
  return create(OutcomeSchema, { lease, result, usage, startedAt: timestamp(nowMs) });
}

export function failure(errorClass: ErrorClass, message: string, details: FailureDetails = {}): Result {
  const value = create(FailureSchema, {
    errorClass,
    message: cut(message, TEXT_BYTES),
    detailsJson: detailsJson(details),
  });
  return { case: "failure", value };
}

function detailsJson(details: FailureDetails): string {
  try {
    const text = JSON.stringify(details);
    if (Buffer.byteLength(text) <= TEXT_BYTES) return text;
    return JSON.stringify({ cut: cut(text, TEXT_BYTES / 4) });
  } catch (error) {
    return JSON.stringify({ unsendable: messageOf(error) });
  }
}

function detailsOf(error: unknown): FailureDetails {
  if (error instanceof PermanentError || error instanceof TransientError) return error.details;
  return error instanceof Error && !(error instanceof Interruption) && error.stack !== undefined
    ? { stack: cut(error.stack, 8192) }
    : {};
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}
