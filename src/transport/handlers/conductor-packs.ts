// ConductorService: disclosure packs and the keys that they are signed with. Not here: sending one out, see conductor-export.ts.
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { runName } from "../mapping/conductor.ts";
import { packName, packRequestOf, packToWire, signingKeyToWire } from "../mapping/conductor-packs.ts";
import type { Route } from "../route.ts";
import { packExportRoute } from "./conductor-export.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function conductorPackRoutes(kit: Kit): readonly Route[] {
  const { packCreate, packGet, packList, signingKeyList } = kit.operations;
  const { method } = ConductorService;
  return [
    operationRoute(kit, method.createDisclosurePack, {
      operation: packCreate,
      request: packRequestOf,
      answer: (pack) => ({ disclosurePack: packToWire(pack) }),
    }),
    operationRoute(kit, method.getDisclosurePack, {
      operation: packGet,
      request: ({ id }) => packName(id),
      answer: (pack) => ({ disclosurePack: packToWire(pack) }),
    }),
    operationRoute(kit, method.listDisclosurePacks, {
      operation: packList,
      request: ({ runId }, _, { page }) => ({ run: runId === "" ? null : runName(runId), page }),
      answer: ({ items, next }, _, paging) => ({
        disclosurePacks: items.map(packToWire),
        nextPageToken: paging.next(next),
      }),
    }),
    packExportRoute(kit),
    operationRoute(kit, method.listSigningKeys, {
      operation: signingKeyList,
      request: (_, __, { page }) => ({ page }),
      answer: ({ items, next }, _, paging) => ({
        signingKeys: items.map(signingKeyToWire),
        nextPageToken: paging.next(next),
      }),
    }),
  ];
}
