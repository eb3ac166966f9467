// Artifacts of this service that the steps of a version are handed as their input: a commit needs them to be there, and the plan
// keeps them from then on. Not here: addresses within JSON, which are text like any other, and artifacts that outcomes name.
import { digestIn, isOwnUri } from "../domain/artifact.ts";
import type { GraphStep } from "../domain/graph.ts";
import type { PlanRow } from "../domain/plan.ts";
import type { OrgId } from "../domain/id.ts";
import { decided, refused } from "../domain/refusal.ts";
import type { Decision } from "../domain/refusal.ts";
import type { Tx } from "../store/ports/store.ts";

/** By address, with the first step that needs it. */
function neededBy(steps: readonly GraphStep[]): ReadonlyMap<string, string> {
  const needed = new Map<string, string>();
  for (const { definition } of steps) {
    for (const payload of [definition.input, definition.compensation?.input])
      if (payload?.kind === "artifact" && isOwnUri(payload.uri) && !needed.has(payload.uri))
        needed.set(payload.uri, definition.key);
  }
  return needed;
}

/** Refuses when one of them is not there. Writes nothing. */
export async function artifactsThere(tx: Tx, orgId: OrgId, steps: readonly GraphStep[]): Promise<Decision<null>> {
  const needed = [...neededBy(steps)];
  const found = await Promise.all(
    needed.map(async ([uri]) => {
      const digest = digestIn(uri);
      return digest === undefined ? undefined : tx.artifacts.find(orgId, digest);
    }),
  );
  const gone = needed.find((_, i) => found[i] === undefined);
  return gone === undefined ? decided(null) : absent(...gone);
}

/** Notes that the plan uses them; refuses when one was deleted since it was looked for. */
export async function useArtifacts(tx: Tx, plan: PlanRow, steps: readonly GraphStep[]): Promise<Decision<null>> {
  const needed = neededBy(steps);
  if (needed.size === 0) return decided(null);
  const digests = [...needed.keys()].map((uri) => digestIn(uri) ?? "");
  const there = await tx.artifacts.use(plan.orgId, plan.planId, digests);
  for (const [uri, step] of needed) if (!there.has(digestIn(uri) ?? "")) return absent(uri, step);
  return decided(null);
}

function absent(uri: string, step: string): Decision<never> {
  return refused("MISSING_PREMISES", `Step ${step} is to be handed ${uri}, which this org does not have.`, {
    rule: "artifact.missing",
    metadata: { missing: uri, needed_by: step },
    remedy: "Upload it, or name another.",
  });
}
