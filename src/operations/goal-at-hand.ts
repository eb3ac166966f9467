// A goal with its charter and locked plan, and what holds for its graphs. Not here: making versions, see graph-version.ts.
import type { OperationContext } from "../engine/operation.ts";
import type { Charter } from "../domain/charter.ts";
import type { Executor } from "../domain/executor.ts";
import { effectiveConstraints } from "../domain/goal.ts";
import type { Constraints, Goal, GoalSpec, GoalView } from "../domain/goal.ts";
import { planOfGoal } from "../domain/id.ts";
import type { GoalId, OrgId } from "../domain/id.ts";
import { isObject, parseJson } from "../domain/json.ts";
import type { PlanRow } from "../domain/plan.ts";
import { decided, notFound } from "../domain/refusal.ts";
import type { Decision, Violation } from "../domain/refusal.ts";
import type { StepDefinition } from "../domain/step.ts";
import type { Tx } from "../store/ports/store.ts";
import { allPages } from "./all-pages.ts";
import type { HeavyWork } from "./heavy-work.ts";
import type { RefinedGraph } from "./refine-steps.ts";

/** A goal with the charter that it is pinned to, and its locked plan. */
export interface GoalAtHand {
  readonly goal: Goal;
  readonly charter: Charter;
  readonly plan: PlanRow;
}

/** The goal and its charter, with the plan locked. */
export async function goalAtHand(tx: Tx, context: OperationContext, goalId: GoalId): Promise<Decision<GoalAtHand>> {
  const { orgId } = context.principal;
  const planId = planOfGoal(goalId);
  // One round trip; statements run in order, so what follows the lock is read under it.
  const [plan, goal, charter] = await Promise.all([
    tx.plans.lock(orgId, planId),
    tx.goals.find(orgId, planId),
    tx.charters.ofGoal(orgId, planId),
  ]);
  if (plan === undefined || goal === undefined) return notFound("goal", goalId);
  if (charter === undefined) throw new Error("a goal is pinned to a charter that is gone");
  return decided({ goal, charter, plan });
}

/** Limits that the active version brought by a re-plan; null when those of the goal hold. */
export async function currentConstraints(tx: Tx, plan: PlanRow): Promise<Constraints | null> {
  if (plan.activeVersion === 0) return null;
  const active = await tx.graphs.findVersion(plan.orgId, plan.planId, plan.activeVersion);
  return active?.constraints ?? null;
}

/** All executors of an org, for what can be served at all. */
export async function executorsOf(tx: Tx, orgId: OrgId): Promise<readonly Executor[]> {
  return allPages(
    (page) => tx.executors.list(orgId, page),
    (e) => [e.spec.name],
  );
}

/** Analyses steps for a goal, off the event loop when they are many. Reads and writes nothing. */
export async function analyseFor(
  heavy: HeavyWork,
  executors: readonly Executor[],
  subject: Pick<GoalAtHand, "goal" | "charter"> & { readonly constraints: Constraints },
  steps: readonly StepDefinition[],
  paths: readonly string[],
  context: OperationContext,
): Promise<Decision<RefinedGraph>> {
  const { budget, deadlineMs, minTrust } = effectiveConstraints(subject.charter.terms, subject.constraints);
  const limits = {
    tokens: budget.tokens,
    moneyMicros: budget.moneyMicros,
    wallMs: budget.wallMs,
    energyMillijoules: budget.energyMillijoules,
  };
  const input = {
    steps,
    paths,
    goalInputs: inputNames(subject.goal.spec),
    deadlineMs,
    limits,
    minTrust,
    executors: executors.map(({ spec, trust }) => ({ spec, trust })),
  };
  return heavy.refine(input, context);
}

/** The goal as lists show it. */
export function viewOf(goal: Goal, plan: PlanRow): GoalView {
  const { activeVersion, stepsTotal, stepsEnded, stepsSucceeded, stepsFailed } = plan;
  return { ...goal, activeVersion, stepsTotal, stepsEnded, stepsSucceeded, stepsFailed };
}

/** Currency and limits that cannot hold together with the charter's. */
export function constraintViolations(charter: Charter, { budget }: Constraints, field: string): readonly Violation[] {
  const theirs = charter.terms.budget.currency;
  if (budget.currency !== "" && theirs !== "" && budget.currency !== theirs) {
    return [
      {
        field: `${field}.budget.currency`,
        description: `The charter's currency is ${theirs}.`,
        rule: "goal.budget.currency",
      },
    ];
  }
  if (budget.moneyMicros !== null && budget.currency === "" && theirs === "") {
    return [
      {
        field: `${field}.budget.currency`,
        description: "must be given when money is limited",
        rule: "goal.budget.currency",
      },
    ];
  }
  return [];
}

export function inputsViolations({ inputs }: GoalSpec): readonly Violation[] {
  if (inputs === null) return [];
  const field = "new_goal.spec.inputs";
  if (inputs.kind !== "json") return [{ field, description: "must be a JSON object", rule: "goal.inputs.object" }];
  const parsed = parseJson(inputs.text);
  if (!parsed.ok) return [{ field, description: parsed.problem, rule: "payload.invalid_json" }];
  return isObject(parsed.value) ? [] : [{ field, description: "must be a JSON object", rule: "goal.inputs.object" }];
}

function inputNames({ inputs }: GoalSpec): readonly string[] {
  if (inputs?.kind !== "json") return [];
  const parsed = parseJson(inputs.text);
  return parsed.ok && isObject(parsed.value) ? Object.keys(parsed.value) : [];
}
