// Graph versions, their steps and edges as messages.
import type {
  Analysis as WireAnalysis,
  Edge as WireEdge,
  GraphStep as WireGraphStep,
  GraphVersion as WireVersion,
} from "../../../gen/maestro/v1/graph_pb.ts";
import type { Analysis, AnalysedEdge, Edge, GraphStep, GraphVersion } from "../../domain/graph.ts";
import { goalOfPlan } from "../../domain/id.ts";
import { amountsToWire } from "./amounts.ts";
import { constraintsToWire } from "./goal.ts";
import { idText } from "./problems.ts";
import { definitionToWire } from "./step.ts";
import { duration, timestamp } from "./time.ts";
import { edgeKinds, graphStates } from "./words.ts";

export function graphVersionToWire(version: GraphVersion): WireVersion {
  return {
    $typeName: "maestro.v1.GraphVersion",
    goalId: idText("goal", goalOfPlan(version.planId)),
    planId: idText("plan", version.planId),
    version: version.version,
    parentVersion: version.parentVersion,
    state: graphStates.number(version.state),
    digest: version.digest,
    stepCount: version.stepCount,
    edgeCount: version.edgeCount,
    analysis: version.analysis === null ? undefined : analysisToWire(version.analysis),
    createdAt: timestamp(version.createdMs),
    ...(version.constraints !== null && { constraints: constraintsToWire(version.constraints) }),
  };
}

function analysisToWire(analysis: Analysis): WireAnalysis {
  return {
    $typeName: "maestro.v1.Analysis",
    levels: analysis.levels,
    width: analysis.width,
    criticalPath: [...analysis.criticalPath],
    makespan: duration(analysis.makespanMs),
    makespanP50: duration(analysis.makespanP50Ms),
    makespanP90: duration(analysis.makespanP90Ms),
    redundantEdges: [...analysis.redundantEdges],
    redundantEdgeCount: analysis.redundantEdgeCount,
    unservableSteps: [...analysis.unservableSteps],
    worstCase: amountsToWire(analysis.worstCase),
    verdict: {
      $typeName: "maestro.v1.Verdict",
      feasible: analysis.feasible,
      counterExample: analysis.counterExample,
      steps: [...analysis.counterExampleSteps],
    },
  };
}

export function edgeToWire(edge: Edge | AnalysedEdge): WireEdge {
  const { from, to, kind, regardless } = edge;
  return {
    $typeName: "maestro.v1.Edge",
    from,
    to,
    kind: edgeKinds.number(kind),
    regardless,
    redundant: "redundant" in edge && edge.redundant,
  };
}

export function graphStepToWire(step: GraphStep): WireGraphStep {
  return {
    $typeName: "maestro.v1.GraphStep",
    definition: definitionToWire(step.definition),
    fingerprint: step.fingerprint,
    level: step.level,
    earliestStart: duration(step.earliestMs),
    latestStart: duration(step.latestMs),
    totalSlack: duration(step.totalSlackMs),
    freeSlack: duration(step.freeSlackMs),
    critical: step.critical,
    expected: duration(step.expectedMs),
  };
}
