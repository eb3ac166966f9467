// Places for large computations: while one is worked out, its call keeps a transaction open, so that few may be under way.
// Whoever finds no place ends its transaction, and begins anew once it has one. Not here: what is computed.
import type { OrgId } from "../domain/id.ts";
import { refusal, RefusedError } from "../domain/refusal.ts";
import type { LargeWork } from "./operation.ts";

export interface LargeWorkLimits {
  /** Calls with large work under way: one computes while the others read and write. */
  readonly calls: number;
  readonly callsPerOrg: number;
  /** Calls that wait for a place. */
  readonly waiting: number;
}

export const LARGE_WORK_LIMITS: LargeWorkLimits = { calls: 3, callsPerOrg: 2, waiting: 64 };

/** Thrown out of a transaction whose call must wait for a place. */
class NoPlaceError extends Error {}

/** The large work of one call. */
export interface LargeWorkOfCall extends LargeWork {
  /** Does the work, and does it again with a place when it turned out to need one. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Gives the place back, if it had one. */
  end(): void;
}

export type LargeWorkPlaces = (orgId: OrgId, signal: AbortSignal) => LargeWorkOfCall;

interface Waiter {
  readonly orgId: OrgId;
  readonly take: () => void;
}

export function createLargeWorkPlaces(limits: LargeWorkLimits = LARGE_WORK_LIMITS): LargeWorkPlaces {
  const taken: OrgId[] = [];
  /** In the order they came; an org that has its share is passed over. */
  const waiting = new Set<Waiter>();

  const isFree = (orgId: OrgId): boolean =>
    taken.length < limits.calls && taken.filter((one) => one === orgId).length < limits.callsPerOrg;
  const giveBack = (orgId: OrgId): void => {
    taken.splice(taken.indexOf(orgId), 1);
    for (const waiter of waiting) {
      if (!isFree(waiter.orgId)) continue;
      waiting.delete(waiter);
      taken.push(waiter.orgId);
      waiter.take();
    }
  };
  const lineUp = async (orgId: OrgId, signal: AbortSignal): Promise<void> => {
    signal.throwIfAborted();
    // It may have become free since it was found taken.
    if (isFree(orgId)) {
      taken.push(orgId);
      return;
    }
    if (waiting.size >= limits.waiting) throw new RefusedError(overloaded(limits.waiting));
    await new Promise<void>((resolve, reject) => {
      const callOff = (): void => {
        waiting.delete(waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        orgId,
        take: () => {
          signal.removeEventListener("abort", callOff);
          resolve();
        },
      };
      waiting.add(waiter);
      signal.addEventListener("abort", callOff, { once: true });
    });
  };

  return (orgId, signal) => {
    let mine = false;
    return {
      begin: () => {
        if (mine) return;
        if (!isFree(orgId)) throw new NoPlaceError("all places for large work are taken");
        taken.push(orgId);
        mine = true;
      },
      run: async (work) => {
        try {
          return await work();
        } catch (trouble) {
          if (!(trouble instanceof NoPlaceError)) throw trouble;
          await lineUp(orgId, signal);
          mine = true;
          return work();
        }
      },
      end: () => {
        if (!mine) return;
        mine = false;
        giveBack(orgId);
      },
    };
  };
}

function overloaded(limit: number): ReturnType<typeof refusal> {
  return refusal("OVERLOADED", "Too many large graphs are being worked on.", {
    rule: "analysis.queue",
    metadata: { limit: String(limit) },
    retryAfterMs: 1_000,
    remedy: "Send it again.",
  });
}
