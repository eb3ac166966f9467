// Demand classes: what steps ask of executors, with ids made from their content. Not here: matching, see executor.ts.
import { createHash } from "node:crypto";
import type { Demand } from "./executor.ts";
import type { DemandId, OrgId } from "./id.ts";

/** The demand class of a capability, labels and a trust floor; the same content has the same id in every server. */
export function demandOf(
  orgId: OrgId,
  capability: string,
  labels: Readonly<Record<string, string>>,
  minTrust: number,
): Demand {
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const hash = createHash("sha256")
    .update(JSON.stringify([orgId, capability, sorted, minTrust]))
    .digest("hex");
  // Version 8 of RFC 9562: a UUID whose bits are ours to choose.
  const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  return { orgId, demandId: uuid as DemandId, capability, labels: Object.fromEntries(sorted), minTrust };
}
