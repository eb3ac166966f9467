// Leasing steps in the very transaction in which they become ready: one commit less until they begin. Between operations,
// which commit, and dispatch, which knows who waits for steps. Types only.
import type { ReadyStep } from "../id.ts";
import type { Payload } from "../payload.ts";
import type { PlanRow } from "../plan.ts";
import type { StepRow } from "../step.ts";
import type { Claim } from "./lease.ts";

export interface Handover {
  /** Reserves executors for some of the steps, or for none. What was leased must be told; the rest is given back by itself. */
  reserve(steps: readonly ReadyStep[]): readonly Claim[];
}

/** The reservations of one call, over all tries of its transaction. */
export interface HandoverOfCall extends Handover {
  /** These were leased and are durable. */
  settle(leased: readonly LeasedAtOnce[]): void;
  /** Whatever is reserved still was not leased, as far as the call knows. */
  end(): void;
}

/** A step that was leased with the operation's own commit. */
export interface LeasedAtOnce {
  readonly plan: PlanRow;
  readonly row: StepRow;
  readonly input: Payload | null;
}
