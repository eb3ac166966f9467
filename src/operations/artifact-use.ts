// Outcomes that name artifacts of this service: noted as used by their plans before they count, so that nothing that an outcome
// names can be deleted under it; and judged. Not here: outcomes that name none, which pass by untouched, and what becomes of outcomes.
import { artifactsNamed, judgeNamed } from "../domain/artifact-named.ts";
import type { OrgId, PlanId } from "../domain/id.ts";
import type { Outcome } from "../domain/outcome.ts";
import type { Store } from "../store/ports/store.ts";

export interface ArtifactUse {
  /** The outcomes as they count. Throws what the store throws. */
  judge(orgId: OrgId, outcomes: readonly Outcome[]): readonly Outcome[] | Promise<readonly Outcome[]>;
}

export function artifactUse(store: Store): ArtifactUse {
  return {
    judge: (orgId, outcomes) => {
      const named = outcomes.map(artifactsNamed);
      // Nearly all: nothing is waited for.
      if (named.every(({ length }) => length === 0)) return outcomes;
      return store.transaction([orgId], async (tx) => {
        const byPlan = new Map<PlanId, Set<string>>();
        for (const [i, { lease }] of outcomes.entries()) {
          const digests = byPlan.get(lease.planId) ?? new Set();
          for (const { digest } of named[i] ?? []) if (digest !== null) digests.add(digest);
          byPlan.set(lease.planId, digests);
        }
        const sizes = new Map<string, number>();
        // Sorted, so that two reports do not wait for each other.
        for (const [planId, digests] of [...byPlan].toSorted(([a], [b]) => (a < b ? -1 : 1)))
          for (const [digest, sizeBytes] of await tx.artifacts.use(orgId, planId, [...digests]))
            sizes.set(digest, sizeBytes);
        return outcomes.map((outcome, i) => judgeNamed(outcome, named[i] ?? [], sizes));
      });
    },
  };
}
