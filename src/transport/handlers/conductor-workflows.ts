// ConductorService: workflows. Not here: runs that are made from them, see conductor-runs.ts.
import { ConductorService } from "../../../gen/maestro/conductor/v1/conductor_service_pb.ts";
import { workflowName, workflowRequestOf, workflowToWire } from "../mapping/conductor-workflow.ts";
import type { Route } from "../route.ts";
import { operationRoute } from "./kit.ts";
import type { Kit } from "./kit.ts";

export function conductorWorkflowRoutes(kit: Kit): readonly Route[] {
  const { workflowCreate, workflowGet, workflowList } = kit.operations;
  const { method } = ConductorService;
  return [
    operationRoute(kit, method.createWorkflow, {
      operation: workflowCreate,
      request: workflowRequestOf,
      answer: (workflow) => ({ workflow: workflowToWire(workflow) }),
    }),
    operationRoute(kit, method.getWorkflow, {
      operation: workflowGet,
      request: ({ id }) => workflowName(id),
      answer: (workflow) => ({ workflow: workflowToWire(workflow) }),
    }),
    operationRoute(kit, method.listWorkflows, {
      operation: workflowList,
      request: (_, __, { page }) => ({ page }),
      answer: ({ items, next }, _, paging) => ({
        workflows: items.map(workflowToWire),
        nextPageToken: paging.next(next),
      }),
    }),
  ];
}
