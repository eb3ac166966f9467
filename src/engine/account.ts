// Stage 6: how much at once. Bounds the calls under way, in all and per org. Not here: a plan's holds, which are taken where steps are leased.
import type { OrgId } from "../domain/id.ts";
import { refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";

export interface AccountLimits {
  /** Calls under way in all. Each may wait for a connection to the store. */
  readonly calls: number;
  /** Calls under way of one org: half, so that one org alone cannot shut out the rest. */
  readonly callsPerOrg: number;
}

export const USUAL_LIMITS: AccountLimits = { calls: 1_024, callsPerOrg: 512 };

export interface Account {
  /** Takes a place; the function gives it back. */
  enter(orgId: OrgId): Decision<() => void>;
}

export function createAccount(limits: AccountLimits = USUAL_LIMITS): Account {
  let calls = 0;
  const byOrg = new Map<OrgId, number>();
  return {
    enter(orgId) {
      const own = byOrg.get(orgId) ?? 0;
      if (calls >= limits.calls || own >= limits.callsPerOrg) {
        const limit = calls >= limits.calls ? limits.calls : limits.callsPerOrg;
        return refused("OVERLOADED", `${limit} calls are under way already.`, {
          rule: "calls",
          metadata: { limit: String(limit) },
          retryAfterMs: 200,
          remedy: "Send fewer calls at once.",
        });
      }
      calls += 1;
      byOrg.set(orgId, own + 1);
      return {
        ok: true,
        value: () => {
          calls -= 1;
          const left = (byOrg.get(orgId) ?? 1) - 1;
          if (left === 0) byOrg.delete(orgId);
          else byOrg.set(orgId, left);
        },
      };
    },
  };
}
