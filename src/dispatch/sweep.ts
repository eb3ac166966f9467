// Leases of sessions that lapsed: whoever held them had its time to attach again. Not here: what becomes of each, see items.ts.
import type { OrgId, SessionId } from "../domain/id.ts";
import type { Store } from "../store/ports/store.ts";
import type { Batcher } from "./batcher.ts";
import type { ServerSession } from "./session.ts";

export interface SweepOptions {
  readonly store: Store;
  readonly session: ServerSession;
  readonly batcher: Batcher;
}

/** Orgs that one scan sees: row-level security filters by the list. */
const ORGS_EACH = 100;

/** Sweeps every lapsed session but our own; one without leases is forgotten. Re-entrant: rows say what is left. */
export async function sweepLapsed(options: SweepOptions, orgs: readonly OrgId[]): Promise<void> {
  const { platform } = options.store;
  for (const sessionId of await platform.lapsedSessions()) {
    if (sessionId === options.session.id) continue;
    let left = 0;
    for (let i = 0; i < orgs.length; i += ORGS_EACH)
      left += await sweepOrgs(options, orgs.slice(i, i + ORGS_EACH), sessionId);
    if (left === 0) await platform.forgetSession(sessionId);
  }
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
