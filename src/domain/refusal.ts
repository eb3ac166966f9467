// A "no" with its reasons, and decisions that may be one. Not here: wire codes, see transport/refusals.ts.

export type RefusalReason =
  | "INVALID_REQUEST"
  | "TOO_LARGE"
  | "UNAUTHENTICATED"
  | "CAPABILITY_MISSING"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "STATE_CONFLICT"
  | "VERSION_CONFLICT"
  | "IDEMPOTENCY_CONFLICT"
  | "CYCLE"
  | "MISSING_PREMISES"
  | "CONTRADICTORY_EVIDENCE"
  | "BUDGET_EXHAUSTED"
  | "DEADLINE_INFEASIBLE"
  | "STALE_LEASE"
  | "APPROVAL_REQUIRED"
  | "OVERLOADED"
  | "UNAVAILABLE"
  | "DRAINING"
  | "SLOW_READER"
  | "FILTER_UNSUPPORTED"
  | "EXECUTOR_UNFIT";

export type Stage = "DECODE" | "IDENTIFY" | "AUTHORIZE" | "TREATY" | "POLICY" | "ACCOUNT" | "INVOKE" | "RECORD";
export type Lifter = "CALLER" | "ADMIN" | "CHARTER_OWNER" | "APPROVER" | "TIME" | "NOBODY";

export interface Violation {
  /** Path of the field in the words of the wire, such as `steps[3].retry.max_attempts`. */
  readonly field: string;
  readonly description: string;
  readonly rule: string;
}

export interface Refusal {
  readonly reason: RefusalReason;
  readonly stage: Stage;
  readonly rule: string;
  /** One sentence for people. */
  readonly explanation: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly remedy: string;
  readonly lifter: Lifter;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly recordUri?: string;
  readonly violations: readonly Violation[];
}

/** Something decided, or a refusal. */
export type Decision<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal };

export function decided<T>(value: T): Decision<T> {
  return { ok: true, value };
}

/** The metadata that every refusal of a reason has, as refusal.proto says; a refusal may say more. */
interface Facts {
  readonly TOO_LARGE: "limit_bytes";
  readonly CAPABILITY_MISSING: "capability";
  readonly NOT_FOUND: "kind" | "id";
  readonly ALREADY_EXISTS: "kind" | "id";
  readonly STATE_CONFLICT: "kind" | "id" | "state";
  readonly VERSION_CONFLICT: "expected" | "actual";
  readonly IDEMPOTENCY_CONFLICT: "key";
  readonly CYCLE: "cycle";
  readonly MISSING_PREMISES: "missing" | "needed_by";
  readonly CONTRADICTORY_EVIDENCE: "expected" | "actual";
  readonly BUDGET_EXHAUSTED: "dimension" | "needed" | "available";
  readonly DEADLINE_INFEASIBLE: "needed_ms" | "allowed_ms" | "steps";
  readonly STALE_LEASE: "expected" | "actual";
  readonly APPROVAL_REQUIRED: "approval_id";
  readonly OVERLOADED: "limit";
  readonly FILTER_UNSUPPORTED: "position";
  readonly EXECUTOR_UNFIT: "executor_id";
}

type Parts = Partial<Omit<Refusal, "reason" | "explanation">>;
/** What a refusal must say besides its reason: whoever forgets a documented fact does not compile. */
type Said<R extends RefusalReason> = R extends keyof Facts
  ? [Parts & { readonly metadata: Readonly<Record<Facts[R], string>> }]
  : [Parts?];

/** How each reason is judged when nothing else is said. */
const USUAL: Readonly<Record<RefusalReason, { stage: Stage; lifter: Lifter; retryable: boolean }>> = {
  INVALID_REQUEST: { stage: "DECODE", lifter: "CALLER", retryable: false },
  TOO_LARGE: { stage: "DECODE", lifter: "CALLER", retryable: false },
  UNAUTHENTICATED: { stage: "IDENTIFY", lifter: "CALLER", retryable: false },
  CAPABILITY_MISSING: { stage: "AUTHORIZE", lifter: "ADMIN", retryable: false },
  NOT_FOUND: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  ALREADY_EXISTS: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  STATE_CONFLICT: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  VERSION_CONFLICT: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  IDEMPOTENCY_CONFLICT: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  CYCLE: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  MISSING_PREMISES: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  CONTRADICTORY_EVIDENCE: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  BUDGET_EXHAUSTED: { stage: "ACCOUNT", lifter: "CHARTER_OWNER", retryable: false },
  DEADLINE_INFEASIBLE: { stage: "INVOKE", lifter: "CHARTER_OWNER", retryable: false },
  STALE_LEASE: { stage: "INVOKE", lifter: "NOBODY", retryable: false },
  APPROVAL_REQUIRED: { stage: "INVOKE", lifter: "APPROVER", retryable: false },
  OVERLOADED: { stage: "ACCOUNT", lifter: "TIME", retryable: true },
  UNAVAILABLE: { stage: "INVOKE", lifter: "TIME", retryable: true },
  DRAINING: { stage: "INVOKE", lifter: "TIME", retryable: true },
  SLOW_READER: { stage: "INVOKE", lifter: "CALLER", retryable: true },
  FILTER_UNSUPPORTED: { stage: "INVOKE", lifter: "CALLER", retryable: false },
  EXECUTOR_UNFIT: { stage: "INVOKE", lifter: "CALLER", retryable: false },
};

/** A refusal; what is not given is as usual for its reason. */
export function refusal<R extends RefusalReason>(reason: R, explanation: string, ...said: Said<R>): Refusal {
  const parts: Parts = said[0] ?? {};
  return {
    rule: reason.toLowerCase(),
    metadata: {},
    remedy: "",
    violations: [],
    ...USUAL[reason],
    ...parts,
    reason,
    explanation,
  };
}

export function refused<R extends RefusalReason>(
  reason: R,
  explanation: string,
  ...said: Said<R>
): { readonly ok: false; readonly refusal: Refusal } {
  return { ok: false, refusal: refusal(reason, explanation, ...said) };
}

/** A malformed request: every field that is wrong. */
export function invalid(...violations: readonly Violation[]): { readonly ok: false; readonly refusal: Refusal } {
  const [first] = violations;
  const more = violations.length > 1 ? ` (and ${String(violations.length - 1)} more)` : "";
  return refused(
    "INVALID_REQUEST",
    first === undefined ? "The request is malformed." : `${first.field}: ${first.description}${more}`,
    { violations },
  );
}

export function notFound(kind: string, id: string): { readonly ok: false; readonly refusal: Refusal } {
  return refused("NOT_FOUND", `There is no ${kind} ${id}.`, { metadata: { kind, id } });
}

/** Carries a refusal out of a transaction, which is rolled back; caught at its edge. */
export class RefusedError extends Error {
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(refusal.explanation);
    this.refusal = refusal;
  }
}
