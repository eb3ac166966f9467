// Leases of sessions that lapsed: whoever held them had its time to attach again. Not here: what becomes of each, see items.ts.
import type { OrgId, SessionId } from "../domain/id.ts";
import type { Store } from "../store/ports/store.ts";
import type { Batcher } from "./batcher.ts";

export interface SweepOptions {
  readonly store: Store;
  readonly batcher: Batcher;
}

/** Orgs that one scan sees: row-level security filters by the list. */
const ORGS_EACH = 100;

/** Sweeps sessions that lapsed; one without leases is forgotten. Re-entrant: rows say what is left. True when something was left. */
export async function sweepLapsed(options: SweepOptions, lapsed: readonly SessionId[]): Promise<boolean> {
  const { platform } = options.store;
  const orgs = (await platform.orgs()).map((org) => org.orgId);
  let remains = false;
  for (const sessionId of lapsed) {
    let left = 0;
    for (let i = 0; i < orgs.length; i += ORGS_EACH)
      left += await sweepOrgs(options, orgs.slice(i, i + ORGS_EACH), sessionId);
    if (left === 0) await platform.forgetSession(sessionId);
    else remains = true;
  }
  return remains;
}

async function sweepOrgs(
  { store, batcher }: SweepOptions,
  orgs: readonly OrgId[],
  sessionId: SessionId,
): Promise<number> {
  const leases = await store.platform.leasesOfSession(orgs, sessionId);
  await Promise.all(
    leases.map(async ({ orgId, planId, ordinal, fencing }) => {
      await new Promise<void>((done) => {
        batcher.push({ kind: "sweep", orgId, planId, deferrals: 0, ordinal, fencing, lapsed: sessionId, done });
      });
    }),
  );
  return leases.length;
}
