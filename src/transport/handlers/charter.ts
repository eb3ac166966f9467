// CharterService: reads charters.
import { CharterService } from "../../../gen/maestro/v1/charter_service_pb.ts";
import { charterToWire } from "../mapping/charter.ts";
import { charterNameOrId } from "../mapping/problems.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function charterRoutes(kit: Kit): readonly Route[] {
  const { charterGet, charterList } = kit.operations;
  return [
    operationRoute(kit, CharterService.method.getCharter, {
      operation: charterGet,
      request: ({ charter, revision }) => ({ charter: charterNameOrId(charter), revision }),
      answer: (charter) => ({ charter: charterToWire(charter) }),
    }),
    operationRoute(kit, CharterService.method.listCharters, {
      operation: charterList,
      request: (_, __, { page }) => ({ page }),
      answer: ({ items, next }, _, paging) => ({
        charters: items.map(charterToWire),
        nextPageToken: paging.next(next),
      }),
    }),
  ];
}
