// All routes that are served, in one list; whatever is not in it does not exist on any listener.
import { approvalRoutes } from "./approval.ts";
import { artifactRoutes } from "./artifact.ts";
import { attachRoute } from "./attach.ts";
import { charterRoutes } from "./charter.ts";
import { conductorGateRoutes } from "./conductor-gate.ts";
import { conductorPackRoutes } from "./conductor-packs.ts";
import { conductorRunRoutes } from "./conductor-runs.ts";
import { conductorWorkflowRoutes } from "./conductor-workflows.ts";
import { executorRoutes } from "./executor.ts";
import { goalRoutes } from "./goal.ts";
import { graphRoutes } from "./graph.ts";
import { healthRoutes } from "./health.ts";
import type { Ready } from "./health.ts";
import { identityRoutes } from "./identity.ts";
import type { Kit } from "./kit.ts";
import { maestroRoutes } from "./maestro.ts";
import { planRoutes } from "./plan.ts";
import { pullRoutes } from "./pull.ts";
import { reflectionRoutes } from "./reflection.ts";
import { stepRoutes } from "./step.ts";
import { subscribeRoute } from "./subscribe.ts";
import type { Route } from "../route.ts";

export function allRoutes(kit: Kit, ready: Ready): readonly Route[] {
  return [
    ...maestroRoutes(kit),
    ...pullRoutes(kit),
    attachRoute(kit),
    subscribeRoute(kit),
    ...charterRoutes(kit),
    ...goalRoutes(kit),
    ...graphRoutes(kit),
    ...planRoutes(kit),
    ...stepRoutes(kit),
    ...executorRoutes(kit),
    ...approvalRoutes(kit),
    ...artifactRoutes(kit),
    ...conductorRunRoutes(kit),
    ...conductorGateRoutes(kit),
    ...conductorPackRoutes(kit),
    ...conductorWorkflowRoutes(kit),
    ...identityRoutes(kit),
    ...healthRoutes(ready, kit.draining),
    ...reflectionRoutes(),
  ];
}
