// Leases, and what attempts come to. Not here: what an outcome sets in motion, see plan/.
import type { Amounts } from "./amounts.ts";
import { sha256Hex } from "./canonical.ts";
import type { ExecutorId, PlanId, RecordId } from "./id.ts";
import type { Artifact, Payload } from "./payload.ts";
import type { StepState } from "./step.ts";

/** The right to perform one attempt of a step. */
export interface LeaseRef {
  readonly planId: PlanId;
  readonly step: string;
  readonly ordinal: number;
  readonly fencing: number;
}

export type ErrorClass = "TRANSIENT" | "PERMANENT" | "TIMEOUT" | "LOST" | "CANCELLED" | "EXPRESSION" | "SCHEMA";

export interface Failure {
  readonly errorClass: ErrorClass;
  readonly message: string;
  /** JSON text of an object; empty for none. */
  readonly details: string;
}

export type OutcomeResult =
  /** The digest is over the RFC 8785 form of the outputs; empty when there are none. */
  | { readonly kind: "success"; readonly outputs: Payload | null; readonly outputsDigest: string }
  | { readonly kind: "failure"; readonly failure: Failure }
  | { readonly kind: "refusal"; readonly explanation: string; readonly rule: string }
  | { readonly kind: "stopped"; readonly message: string }
  | { readonly kind: "returned"; readonly message: string };

export interface Outcome {
  readonly lease: LeaseRef;
  readonly result: OutcomeResult;
  readonly usage: Amounts;
  readonly artifacts: readonly Artifact[];
  /** See outcomeDigest. */
  readonly bodyDigest: string;
  /** Last lines of output, for the attempt's row; empty for none. */
  readonly logTail: string;
}

/** SHA-256 over everything that is taken from an outcome, in hex: tells a repeat from a contradiction. Outputs count as their digest. */
export function outcomeDigest({ lease, result, usage, artifacts }: Omit<Outcome, "bodyDigest" | "logTail">): string {
  const came = result.kind === "success" ? { kind: result.kind, outputs: result.outputsDigest } : result;
  return sha256Hex(JSON.stringify(["outcome.v1", lease, came, usage, artifacts]));
}

export interface Receipt {
  readonly lease: LeaseRef;
  readonly stepState: StepState;
  readonly recordId: RecordId;
  readonly duplicate: boolean;
}

export type AttemptState = "SUCCEEDED" | "FAILED" | "REFUSED" | "STOPPED" | "RETURNED" | "LOST";

/** An attempt that ended. */
export interface Attempt {
  readonly planId: PlanId;
  readonly ordinal: number;
  readonly fencing: number;
  readonly attempt: number;
  readonly undoing: boolean;
  readonly state: AttemptState;
  readonly executorId: ExecutorId;
  readonly readyMs: number;
  readonly leasedMs: number;
  readonly endedMs: number;
  readonly outputs: Payload | null;
  readonly outputsDigest: string;
  readonly bodyDigest: string | null;
  readonly failure: Failure | null;
  readonly artifacts: readonly Artifact[];
  readonly logTail: string;
  readonly hold: Amounts;
  readonly usage: Amounts;
  readonly lateDigest: string | null;
  readonly recordId: RecordId;
}

/** One attempt handed to an executor. */
export interface Assignment {
  readonly lease: LeaseRef;
  readonly undoing: boolean;
  readonly capability: string;
  readonly attempt: number;
  readonly input: Payload | null;
  readonly deadlineMs: number;
  readonly hold: Amounts;
  readonly remaining: Readonly<Record<keyof Amounts, number | null>>;
  readonly currency: string;
  readonly checkpoint: Payload | null;
  readonly traceparent: string;
  readonly readyMs: number;
  readonly executorId: ExecutorId;
}
