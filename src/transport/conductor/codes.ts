// The only place that knows the codes of REST: which status a refusal has, and what is said beside it. Not here: gRPC's and Connect's,
// see transport/refusals.ts.
import type { Refusal, RefusalReason } from "../../domain/refusal.ts";
import { refusalToWire } from "../mapping/refusal.ts";
import { INTERNAL_TEXT } from "../refusals.ts";
import type { FieldError } from "./read.ts";
import { fieldErrors } from "./violations.ts";
import type { Asked } from "./violations.ts";

/**
 * What the body says wrongly is 422; an artifact of another run is named in a good body, 400; what the state of things forbids is 409;
 * who may not is 403, also where somebody else may. 429 and 503 are worth another try.
 */
export const STATUS: Readonly<Record<RefusalReason, number>> = {
  INVALID_REQUEST: 422,
  FILTER_UNSUPPORTED: 422,
  CYCLE: 422,
  MISSING_PREMISES: 400,
  TOO_LARGE: 413,
  UNAUTHENTICATED: 401,
  CAPABILITY_MISSING: 403,
  APPROVAL_REQUIRED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  IDEMPOTENCY_CONFLICT: 409,
  STATE_CONFLICT: 409,
  VERSION_CONFLICT: 409,
  CONTRADICTORY_EVIDENCE: 409,
  DEADLINE_INFEASIBLE: 409,
  EXECUTOR_UNFIT: 409,
  STALE_LEASE: 409,
  BUDGET_EXHAUSTED: 409,
  OVERLOADED: 429,
  SLOW_READER: 429,
  UNAVAILABLE: 503,
  DRAINING: 503,
};

/** An answer as it is sent. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer;
}

export const JSON_HEADERS = { "content-type": "application/json", "cache-control": "no-store" };

export function jsonReply(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(body) };
}

/** What is no refusal: an address that is not there, a method that is not taken. */
export function plainReply(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Reply {
  return jsonReply(status, { detail }, headers);
}

export function internalReply(): Reply {
  return plainReply(500, INTERNAL_TEXT);
}

/** A refusal with its reasons. `status` and `errors` stand where the listener itself refused, and knows better than the table. */
export function refusalReply(
  refusal: Refusal,
  asked: Asked,
  { status, errors }: { readonly status?: number; readonly errors?: readonly FieldError[] } = {},
): Reply {
  const found = errors ?? (STATUS[refusal.reason] === 422 ? fieldErrors(refusal, asked) : undefined);
  const body = refusalBody(refusal);
  const detail = found !== undefined && found.length > 0 && status === undefined ? found : body.explanation;
  return jsonReply(status ?? STATUS[refusal.reason], { detail, refusal: body }, headersOf(refusal));
}

function headersOf({ reason, retryAfterMs }: Refusal): Readonly<Record<string, string>> {
  const status = STATUS[reason];
  if (status === 401) return { "www-authenticate": "Bearer" };
  if (status !== 429 && status !== 503) return {};
  return { "retry-after": String(Math.max(1, Math.ceil((retryAfterMs ?? 1_000) / 1_000))) };
}

/** A refusal in the words of the contract; its reason as every document writes it. */
export function refusalBody(refusal: Refusal) {
  const { explanation, metadata, recordUri } = refusalToWire(refusal);
  const { reason, stage, rule, remedy, lifter, retryable, retryAfterMs, violations } = refusal;
  return {
    reason,
    stage,
    rule,
    explanation,
    metadata,
    remedy,
    lifter,
    retryable,
    retry_after_ms: retryAfterMs ?? null,
    record_uri: recordUri === "" ? null : recordUri,
    violations,
  };
}
