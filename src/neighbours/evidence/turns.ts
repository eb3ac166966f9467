// Turns: so many at once, so many that wait, each org a share of both, and whoever comes beyond is told so. Not here: what is done in a
// turn.
import type { OrgId } from "../../domain/id.ts";
import { createRoundRobin } from "../../support/round-robin.ts";

export interface Turns {
  /** Gives the turn's end; undefined when too many wait already. Throws the abort's reason. */
  take(orgId: OrgId, signal: AbortSignal): Promise<(() => void) | undefined>;
}

/** A number of all, and of one org. */
export interface Share {
  readonly all: number;
  readonly org: number;
}

export function createTurns(atOnce: Share, mayWait: Share): Turns {
  const taken = new Map<string, number>();
  let all = 0;
  const waiting = createRoundRobin<() => void>();
  const isFree = (orgId: string): boolean => all < atOnce.all && (taken.get(orgId) ?? 0) < atOnce.org;
  const begin = (orgId: OrgId): (() => void) => {
    all++;
    taken.set(orgId, (taken.get(orgId) ?? 0) + 1);
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      all--;
      const left = (taken.get(orgId) ?? 1) - 1;
      if (left === 0) taken.delete(orgId);
      else taken.set(orgId, left);
      waiting.next(isFree)?.();
    };
  };
  return {
    take: async (orgId, signal) => {
      signal.throwIfAborted();
      if (isFree(orgId)) return begin(orgId);
      if (waiting.size() >= mayWait.all || waiting.sizeOf(orgId) >= mayWait.org) return undefined;
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          waiting.remove(orgId, mine);
          reject(signal.reason as Error);
        };
        const mine = (): void => {
          signal.removeEventListener("abort", onAbort);
          // Taken here and now, before anybody else can.
          resolve(begin(orgId));
        };
        waiting.add(orgId, mine);
        signal.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
}
