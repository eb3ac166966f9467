// Goals as messages and back.
import type {
  AttributeValue as WireAttribute,
  Constraints as WireConstraints,
  Goal as WireGoal,
  GoalSpec as WireSpec,
} from "../../../gen/maestro/v1/goal_pb.ts";
import type { AttributeValue, Constraints, GoalSpec, GoalView } from "../../domain/goal.ts";
import { goalOfPlan } from "../../domain/id.ts";
import { budgetOf, budgetToWire } from "./amounts.ts";
import { payloadIn, payloadToWire } from "./payload.ts";
import { idText } from "./problems.ts";
import type { Problems } from "./problems.ts";
import { optionalDuration, optionalDurationMs, optionalTimestamp, timestamp, timestampMs } from "./time.ts";
import { goalStates } from "./words.ts";

export function constraintsOf(wire: WireConstraints | undefined): Constraints {
  return {
    budget: budgetOf(wire?.budget),
    deadlineMs: optionalDurationMs(wire?.deadline),
    minTrust: wire?.minTrust ?? 0,
  };
}

export function constraintsToWire({ budget, deadlineMs, minTrust }: Constraints): WireConstraints {
  return {
    $typeName: "maestro.v1.Constraints",
    budget: budgetToWire(budget, budget.currency),
    deadline: optionalDuration(deadlineMs),
    minTrust,
  };
}

export function goalSpecIn(problems: Problems, field: string, wire: WireSpec | undefined): GoalSpec {
  return {
    name: wire?.name ?? "",
    intent: wire?.intent ?? "",
    inputs: payloadIn(problems, `${field}.inputs`, wire?.inputs),
    constraints: constraintsOf(wire?.constraints),
    labels: { ...wire?.labels },
    attributes: Object.fromEntries(
      Object.entries(wire?.attributes ?? {}).flatMap(([name, value]) => {
        const attribute = attributeOf(value);
        return attribute === undefined ? [] : [[name, attribute]];
      }),
    ),
  };
}

function attributeOf({ value }: WireAttribute): AttributeValue | undefined {
  switch (value.case) {
    case "text":
      return { kind: "text", value: value.value };
    case "number":
      return { kind: "number", value: value.value };
    case "flag":
      return { kind: "flag", value: value.value };
    case "time":
      return { kind: "time", value: timestampMs(value.value) };
    case undefined:
      return undefined;
  }
}

function attributeToWire(attribute: AttributeValue): WireAttribute {
  const $typeName = "maestro.v1.AttributeValue";
  switch (attribute.kind) {
    case "text":
      return { $typeName, value: { case: "text", value: attribute.value } };
    case "number":
      return { $typeName, value: { case: "number", value: attribute.value } };
    case "flag":
      return { $typeName, value: { case: "flag", value: attribute.value } };
    case "time":
      return { $typeName, value: { case: "time", value: timestamp(attribute.value) } };
  }
}

export function goalToWire(goal: GoalView): WireGoal {
  const { spec } = goal;
  return {
    $typeName: "maestro.v1.Goal",
    goalId: idText("goal", goalOfPlan(goal.planId)),
    charterId: idText("charter", goal.charterId),
    charterRevision: goal.charterRevision,
    spec: {
      $typeName: "maestro.v1.GoalSpec",
      name: spec.name,
      intent: spec.intent,
      inputs: payloadToWire(spec.inputs),
      constraints: constraintsToWire(spec.constraints),
      labels: { ...spec.labels },
      attributes: Object.fromEntries(
        Object.entries(spec.attributes).map(([name, value]) => [name, attributeToWire(value)]),
      ),
    },
    state: goalStates.number(goal.state),
    planId: goal.activeVersion > 0 ? idText("plan", goal.planId) : "",
    activeVersion: goal.activeVersion,
    createdAt: timestamp(goal.createdMs),
    progress: {
      $typeName: "maestro.v1.Progress",
      total: goal.stepsTotal,
      ended: goal.stepsEnded,
      succeeded: goal.stepsSucceeded,
      failed: goal.stepsFailed,
    },
    finishedAt: optionalTimestamp(goal.finishedMs),
  };
}
