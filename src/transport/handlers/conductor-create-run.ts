// ConductorService.CreateRun: two operations behind one rpc. Not here: what else is done with runs, see conductor-runs.ts.
import type { Message } from "@bufbuild/protobuf";
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import type { CreateRunRequest } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { MaestroService } from "../../../gen/maestro/v1/maestro_service_pb.ts";
import type { RunCreateRequest } from "../../operations/run-create.ts";
import { runDraftOf, runToWire } from "../mapping/conductor.ts";
import { workflowName } from "../mapping/conductor-workflow.ts";
import { charterNameOrId } from "../mapping/problems.ts";
import { methodSpec } from "../operation-table.ts";
import type { CallInfo, Route } from "../route.ts";
import { goingTogether, operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function createRunRoute(kit: Kit): Route {
  const { runCreate, runStart } = kit.operations;
  const method = ConductorService.method.createRun;
  const told = operationRoute(kit, method, {
    ...goingTogether(runCreate, weightOf),
    request: (wire, problems) => ({ draft: runDraftOf(wire, problems), charter: charterNameOrId(wire.charter) }),
    answer: (run) => ({ run: runToWire(run) }),
  });
  const started = operationRoute(kit, method, {
    operation: runStart,
    // Who may not plan does not plan by another name.
    also: methodSpec(MaestroService.method.plan).parts,
    request: (wire, problems) => ({
      workflow: workflowName(wire.workflowId),
      draft: runDraftOf(wire, problems),
      charter: charterNameOrId(wire.charter),
    }),
    answer: (run) => ({ run: runToWire(run) }),
  });
  if (told.kind !== "unary" || started.kind !== "unary") throw new Error("a run is made by one call");
  const routeOf = (request: Message): typeof told => ((request as CreateRunRequest).workflowId === "" ? told : started);
  return { ...told, handle: (request: Message, info: CallInfo) => routeOf(request).handle(request, info) };
}

function weightOf({ draft }: RunCreateRequest): number {
  const ids = [...draft.relatedEntityIds, ...draft.relatedDecisionIds];
  return ids.reduce((sum, id) => sum + id.length, draft.name.length + draft.metadata.length);
}
