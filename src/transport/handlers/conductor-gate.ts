// ConductorService: the release gate and waivers of its rules. Not here: gate steps, which Maestro performs itself.
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { runName } from "../mapping/conductor.ts";
import { judgementToWire, waiverName, waiverRequestOf, waiverToWire } from "../mapping/conductor-gate.ts";
import { gateModes } from "../mapping/words.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function conductorGateRoutes(kit: Kit): readonly Route[] {
  const { gateCheck, waiverGrant, waiverList, waiverRevoke } = kit.operations;
  const { method } = ConductorService;
  return [
    operationRoute(kit, method.checkReleaseGate, {
      operation: gateCheck,
      oneMoment: true,
      request: ({ id, mode, step }) => ({ run: runName(id), mode: gateModes.word(mode) ?? null, step }),
      answer: (judgement) => ({ gate: judgementToWire(judgement) }),
    }),
    operationRoute(kit, method.grantWaiver, {
      operation: waiverGrant,
      request: waiverRequestOf,
      answer: (waiver) => ({ waiver: waiverToWire(waiver) }),
    }),
    operationRoute(kit, method.revokeWaiver, {
      operation: waiverRevoke,
      request: ({ id }) => waiverName(id),
      answer: (waiver) => ({ waiver: waiverToWire(waiver) }),
    }),
    operationRoute(kit, method.listWaivers, {
      operation: waiverList,
      request: ({ runId }, _, { page }) => ({ run: runId === "" ? null : runName(runId), page }),
      answer: ({ items, next }, _, paging) => ({
        waivers: items.map(waiverToWire),
        nextPageToken: paging.next(next),
      }),
    }),
  ];
}
