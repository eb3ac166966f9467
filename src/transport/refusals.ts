// The only place that knows wire codes: refusals as Connect errors and as gRPC statuses, with the refusal itself as their detail.
import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { Metadata } from "@grpc/grpc-js";
import type { ServerErrorResponse } from "@grpc/grpc-js";
import { StatusSchema } from "../../gen/google/rpc/status_pb.ts";
import { RefusalSchema } from "../../gen/maestro/v1/refusal_pb.ts";
import type { Refusal, RefusalReason } from "../domain/refusal.ts";
import { refusalToWire } from "./mapping/refusal.ts";

/**
 * gRPC and Connect share these numbers. An idempotency key that another request used is a name that is taken (ALREADY_EXISTS);
 * a stale lease is a race that was lost (ABORTED); whatever the state of things forbids is FAILED_PRECONDITION.
 */
const CODES: Readonly<Record<RefusalReason, Code>> = {
  INVALID_REQUEST: Code.InvalidArgument,
  FILTER_UNSUPPORTED: Code.InvalidArgument,
  TOO_LARGE: Code.ResourceExhausted,
  UNAUTHENTICATED: Code.Unauthenticated,
  CAPABILITY_MISSING: Code.PermissionDenied,
  NOT_FOUND: Code.NotFound,
  ALREADY_EXISTS: Code.AlreadyExists,
  IDEMPOTENCY_CONFLICT: Code.AlreadyExists,
  STATE_CONFLICT: Code.FailedPrecondition,
  VERSION_CONFLICT: Code.FailedPrecondition,
  CYCLE: Code.FailedPrecondition,
  MISSING_PREMISES: Code.FailedPrecondition,
  CONTRADICTORY_EVIDENCE: Code.FailedPrecondition,
  DEADLINE_INFEASIBLE: Code.FailedPrecondition,
  APPROVAL_REQUIRED: Code.FailedPrecondition,
  EXECUTOR_UNFIT: Code.FailedPrecondition,
  STALE_LEASE: Code.Aborted,
  BUDGET_EXHAUSTED: Code.ResourceExhausted,
  OVERLOADED: Code.ResourceExhausted,
  SLOW_READER: Code.ResourceExhausted,
  UNAVAILABLE: Code.Unavailable,
  DRAINING: Code.Unavailable,
};

export function codeOf(reason: RefusalReason): Code {
  return CODES[reason];
}

export function connectError(refusal: Refusal): ConnectError {
  // Its words, too: decisions name ids in the store's form.
  const value = refusalToWire(refusal);
  return new ConnectError(value.explanation, CODES[refusal.reason], undefined, [{ desc: RefusalSchema, value }]);
}

export function grpcStatus(refusal: Refusal): ServerErrorResponse {
  const code = CODES[refusal.reason];
  const value = refusalToWire(refusal);
  const message = value.explanation;
  const status = create(StatusSchema, { code, message, details: [anyPack(RefusalSchema, value)] });
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, status)));
  return { name: "Refusal", message, code: code as number, details: message, metadata };
}

/** What a caller hears of a bug: nothing but that there was one. */
export const INTERNAL_TEXT = "Something went wrong in the server; its log says what.";

export function internalConnectError(): ConnectError {
  return new ConnectError(INTERNAL_TEXT, Code.Internal);
}

export function internalGrpcStatus(): ServerErrorResponse {
  return { name: "Internal", message: INTERNAL_TEXT, code: Code.Internal as number, details: INTERNAL_TEXT };
}
