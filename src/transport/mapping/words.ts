// Enum numbers of the wire and the words of the domain, for every enum; built from the generated names, so that none is forgotten.
import { ArtifactKind } from "../../../gen/maestro/conductor/v1/artifact_pb.ts";
import { VerdictState } from "../../../gen/maestro/conductor/v1/release_gate_pb.ts";
import { RunStatus } from "../../../gen/maestro/conductor/v1/run_pb.ts";
import { ApprovalState, ApprovalSubject } from "../../../gen/maestro/v1/approval_pb.ts";
import { GateMode, StaleRule } from "../../../gen/maestro/v1/charter_pb.ts";
import { ExecutorState } from "../../../gen/maestro/v1/executor_pb.ts";
import { GoalState } from "../../../gen/maestro/v1/goal_pb.ts";
import { EdgeKind, GraphState, StepFate } from "../../../gen/maestro/v1/graph_pb.ts";
import { PlanState } from "../../../gen/maestro/v1/plan_pb.ts";
import { PlanVerb, WaitCause } from "../../../gen/maestro/v1/plan_service_pb.ts";
import { Lifter, RefusalReason, Stage } from "../../../gen/maestro/v1/refusal_pb.ts";
import { AttemptState, ErrorClass, OnFailure, StepState } from "../../../gen/maestro/v1/step_pb.ts";
import { RerunOrder, StepVerb } from "../../../gen/maestro/v1/step_service_pb.ts";

type Names<E extends Readonly<Record<string, string | number>>> = Exclude<Extract<keyof E, string>, "UNSPECIFIED">;

export interface Words<W extends string, N extends number> {
  /** Undefined for numbers that stand for nothing, among them UNSPECIFIED. */
  word(number: number): W | undefined;
  number(word: W): N;
}

function wordsOf<E extends Readonly<Record<string, string | number>>>(
  names: E,
): Words<Names<E>, Extract<E[keyof E], number>> {
  type N = Extract<E[keyof E], number>;
  const byNumber = new Map<number, Names<E>>();
  const byWord = new Map<string, N>();
  for (const [name, number] of Object.entries(names)) {
    if (typeof number !== "number" || number === 0) continue;
    byNumber.set(number, name as Names<E>);
    byWord.set(name, number as N);
  }
  return {
    word: (number) => byNumber.get(number),
    number: (word) => {
      const number = byWord.get(word);
      if (number === undefined) throw new Error(`the wire has no word for ${word}`);
      return number;
    },
  };
}

export const stepStates = wordsOf(StepState);
export const planStates = wordsOf(PlanState);
export const goalStates = wordsOf(GoalState);
export const graphStates = wordsOf(GraphState);
export const attemptStates = wordsOf(AttemptState);
export const executorStates = wordsOf(ExecutorState);
export const approvalStates = wordsOf(ApprovalState);
export const approvalSubjects = wordsOf(ApprovalSubject);
export const errorClasses = wordsOf(ErrorClass);
export const failureRules = wordsOf(OnFailure);
export const staleRules = wordsOf(StaleRule);
export const gateModes = wordsOf(GateMode);
export const edgeKinds = wordsOf(EdgeKind);
export const stepFates = wordsOf(StepFate);
export const waitCauses = wordsOf(WaitCause);
export const planVerbs = wordsOf(PlanVerb);
export const stepVerbs = wordsOf(StepVerb);
export const rerunOrders = wordsOf(RerunOrder);
export const refusalReasons = wordsOf(RefusalReason);
export const refusalStages = wordsOf(Stage);
export const lifters = wordsOf(Lifter);
export const verdictStates = wordsOf(VerdictState);
export const runStatuses = wordsOf(RunStatus);
export const runArtifactKinds = wordsOf(ArtifactKind);
