// What one call of an operation reserves, so that its own commit leases the steps that it makes ready. Not here: handovers
// inside of batches, see decide-batch.ts.
import type { OrgId, ReadyStep } from "../domain/id.ts";
import type { HandoverOfCall, LeasedAtOnce } from "../domain/plan/handover.ts";
import type { Claim } from "../domain/plan/lease.ts";
import { remaining } from "../domain/plan.ts";
import { batchKey } from "../store/ports/batches.ts";
import type { BatchInput } from "../store/ports/batches.ts";
import type { Batcher } from "./batcher.ts";
import type { PlanResult } from "./decide-batch.ts";
import type { ServerSession } from "./session.ts";
import { takerFor } from "./takers.ts";
import type { Taker, Takers } from "./takers.ts";
import type { Windows } from "./windows.ts";

/** Steps of one call; more than that is a batch's work. */
const STEPS_LIMIT = 32;

export interface CallHandoverOptions {
  readonly orgId: OrgId;
  readonly windows: Windows;
  readonly takers: Takers;
  readonly session: Pick<ServerSession, "id" | "mayCommit">;
  readonly batcher: Pick<Batcher, "push" | "isAside">;
  readonly isDraining: () => boolean;
  readonly follow: (result: PlanResult, inputs: ReadonlyMap<string, BatchInput>) => void;
}

interface Reservation {
  readonly step: ReadyStep;
  readonly taker: Taker;
}

/** The reservations of one call of an operation. */
export class CallHandover implements HandoverOfCall {
  readonly #options: CallHandoverOptions;
  readonly #reserved = new Map<string, Reservation>();

  constructor(options: CallHandoverOptions) {
    this.#options = options;
  }

  reserve(steps: readonly ReadyStep[]): readonly Claim[] {
    const { orgId, windows, takers, session, batcher, isDraining } = this.#options;
    if (isDraining() || !session.mayCommit()) return [];
    const turn = takers.inTurn(orgId);
    const claims: Claim[] = [];
    for (const step of steps) {
      if (claims.length === STEPS_LIMIT) break;
      if (batcher.isAside(step.planId, step.ordinal)) continue;
      const key = batchKey(step.planId, step.ordinal);
      // A transaction that is tried again asks for the same step: what was reserved for it then serves it now.
      const before = this.#reserved.get(key);
      const taker = before?.taker ?? takerFor(step, windows, turn);
      if (taker === undefined) continue;
      if (before === undefined) taker.reserve();
      this.#reserved.set(key, { step, taker });
      claims.push({
        ordinal: step.ordinal,
        executorId: taker.executor.executorId,
        sessionId: session.id,
        leaseMs: taker.leaseMs,
      });
    }
    return claims;
  }

  settle(leased: readonly LeasedAtOnce[]): void {
    const inputs = new Map<string, BatchInput>();
    const effects: PlanResult["effects"][number][] = [];
    for (const { row, input } of leased) {
      const key = batchKey(row.planId, row.ordinal);
      const reservation = this.#reserved.get(key);
      if (reservation === undefined) continue;
      this.#reserved.delete(key);
      inputs.set(key, { input, checkpoint: null });
      effects.push({ kind: "leased", taker: reservation.taker, row, handedOver: true });
    }
    const plan = leased[0]?.plan;
    if (plan === undefined) return;
    const result: PlanResult = {
      plan,
      effects,
      stops: [],
      ready: [],
      remaining: remaining(plan.account),
      changed: false,
      nextTimerMs: null,
      cascade: false,
    };
    this.#options.follow(result, inputs);
  }

  /** Whether these are leased is unknown when the commit is; a claim that is made again finds out, and adopts or gives back. */
  end(): void {
    for (const { step, taker } of this.#reserved.values()) {
      const { orgId, planId, ordinal } = step;
      const item = { orgId, planId, deferrals: 0, again: true, handover: true };
      this.#options.batcher.push({ kind: "claim", ordinal, taker, ...item });
    }
    this.#reserved.clear();
  }
}
