// Graph versions: steps, edges, and what their analysis found. Not here: the analysis itself, see graph/.
import type { Amounts } from "./amounts.ts";
import type { OrgId, PlanId } from "./id.ts";
import type { Constraints } from "./goal.ts";
import type { StepDefinition } from "./step.ts";

export type GraphState = "DRAFT" | "REFINED" | "AWAITING_RATIFICATION" | "ACTIVE" | "SUPERSEDED" | "REJECTED";

export const GRAPH_TRANSITIONS: Readonly<Record<GraphState, readonly GraphState[]>> = {
  DRAFT: ["REFINED", "REJECTED"],
  REFINED: ["AWAITING_RATIFICATION", "ACTIVE", "REJECTED"],
  AWAITING_RATIFICATION: ["ACTIVE", "REJECTED"],
  ACTIVE: ["SUPERSEDED"],
  SUPERSEDED: [],
  REJECTED: [],
};

/** The state to set; which way versions go is never the caller's choice, so anything else is a bug. */
export function movedVersion(from: GraphState, to: GraphState): GraphState {
  if (!GRAPH_TRANSITIONS[from].includes(to)) throw new Error(`graph version: ${from} may not become ${to}`);
  return to;
}

export type EdgeKind = "EXPLICIT" | "VALUE" | "ARTIFACT";

export interface Edge {
  readonly from: string;
  readonly to: string;
  readonly kind: EdgeKind;
  /** Waits for the end, whatever comes of it. */
  readonly regardless: boolean;
}
export interface AnalysedEdge extends Edge {
  /** Follows from other edges. */
  readonly redundant: boolean;
}

/** A step of a version, with its fingerprint (SHA-256 of its RFC 8785 text) and its place in time (ms from commit, likely durations). */
export interface GraphStep {
  readonly definition: StepDefinition;
  readonly definitionText: string;
  readonly fingerprint: string;
  readonly level: number;
  readonly expectedMs: number;
  readonly earliestMs: number;
  readonly latestMs: number;
  readonly totalSlackMs: number;
  readonly freeSlackMs: number;
  readonly critical: boolean;
}

export interface Analysis {
  readonly levels: number;
  readonly width: number;
  readonly criticalPath: readonly string[];
  readonly makespanMs: number;
  readonly makespanP50Ms: number;
  readonly makespanP90Ms: number;
  /** `from → to`, at most 100. */
  readonly redundantEdges: readonly string[];
  readonly redundantEdgeCount: number;
  /** At most 100. */
  readonly unservableSteps: readonly string[];
  readonly worstCase: Amounts;
  readonly feasible: boolean;
  readonly counterExample: string;
  readonly counterExampleSteps: readonly string[];
}

export interface GraphVersion {
  readonly orgId: OrgId;
  readonly planId: PlanId;
  readonly version: number;
  readonly parentVersion: number;
  readonly state: GraphState;
  readonly digest: string;
  readonly stepCount: number;
  readonly edgeCount: number;
  readonly analysis: Analysis | null;
  /** New limits that a re-plan asked for. */
  readonly constraints: Constraints | null;
  readonly reason: string;
  readonly createdMs: number;
  readonly createdBy: string;
}

/** Most steps of one graph. */
export const STEPS_LIMIT = 100_000;
/** Most edges of one graph. */
export const EDGES_LIMIT = 1_000_000;
