// Workflows: tasks and their order, and the steps that plans made from them have. Not here: making such plans.
import { isReserved, RESERVED_WORDS } from "./gate.ts";
import { cycleText, findCycles } from "./graph/cycles.ts";
import type { OrgId, WorkflowId } from "./id.ts";
import { invalid, refused } from "./refusal.ts";
import type { Refusal, Violation } from "./refusal.ts";
import { plainStep } from "./step.ts";
import type { StepDefinition } from "./step.ts";

const VIOLATIONS = 100;
const STEP_KEY = /^[A-Za-z_][A-Za-z0-9_-]{0,127}$/;
/** Leaves room for a number behind it. */
const LONGEST_BASE = 120;

export interface WorkflowTask {
  readonly name: string;
  /** The capability that an executor needs. */
  readonly agentType: string;
  /** A JSON object as text, which its step is handed; absent for none. */
  readonly input?: string;
}
export interface WorkflowDependency {
  readonly task: string;
  readonly dependsOn: string;
}

/** Never changes. */
export interface Workflow {
  readonly orgId: OrgId;
  readonly workflowId: WorkflowId;
  readonly name: string;
  readonly tasks: readonly WorkflowTask[];
  readonly dependencies: readonly WorkflowDependency[];
  readonly createdMs: number;
  readonly createdBy: string;
}

/** What is wrong with tasks and dependencies; undefined for nothing. */
export function workflowProblem(
  tasks: readonly WorkflowTask[],
  dependencies: readonly WorkflowDependency[],
): Refusal | undefined {
  const names = new Set<string>();
  const found: Violation[] = [];
  for (const [i, { name, agentType }] of tasks.entries()) {
    const field = `tasks[${String(i)}]`;
    if (names.has(name))
      found.push({ field: `${field}.name`, description: `${name} is there twice`, rule: "workflow.task" });
    names.add(name);
    if (isReserved(agentType))
      found.push({ field: `${field}.agent_type`, description: RESERVED_WORDS, rule: "capability.reserved" });
  }
  for (const [i, { task, dependsOn }] of dependencies.entries()) {
    const field = `dependencies[${String(i)}]`;
    const missing = (name: string): string => `names ${name}, which is no task of it`;
    if (!names.has(task))
      found.push({ field: `${field}.task`, description: missing(task), rule: "workflow.dependency" });
    if (!names.has(dependsOn))
      found.push({ field: `${field}.depends_on`, description: missing(dependsOn), rule: "workflow.dependency" });
  }
  if (found.length > 0) return invalid(...found.slice(0, VIOLATIONS)).refusal;
  const edges = dependencies.map(({ task, dependsOn }) => ({
    from: dependsOn,
    to: task,
    kind: "EXPLICIT" as const,
    regardless: false,
  }));
  const [cycle] = findCycles([...names], edges);
  if (cycle === undefined) return undefined;
  const text = cycleText(cycle);
  return refused("CYCLE", `The tasks wait for each other: ${text}.`, {
    rule: "workflow.cycle",
    metadata: { cycle: text },
    remedy: "Remove one of these dependencies.",
  }).refusal;
}

/** Keys of steps that are made from tasks: the name where it can be one, otherwise what is left of it, made unique. */
export function stepKeys(tasks: readonly WorkflowTask[]): ReadonlyMap<string, string> {
  const taken = new Set(tasks.flatMap(({ name }) => (STEP_KEY.test(name) ? [name] : [])));
  const keys = new Map<string, string>();
  for (const { name } of tasks) {
    if (STEP_KEY.test(name)) {
      keys.set(name, name);
      continue;
    }
    const plain = name.replace(/[^A-Za-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "");
    const base = (/^[A-Za-z_]/.test(plain) ? plain : `task-${plain}`).replace(/-$/, "").slice(0, LONGEST_BASE);
    let key = base;
    for (let n = 2; taken.has(key); n++) key = `${base}-${String(n)}`;
    taken.add(key);
    keys.set(name, key);
  }
  return keys;
}

/** Steps of a plan that is made from a workflow, in the order of its tasks. */
export function workflowSteps({ tasks, dependencies }: Pick<Workflow, "tasks" | "dependencies">): StepDefinition[] {
  const keys = stepKeys(tasks);
  const needs = new Map<string, Set<string>>();
  for (const { task, dependsOn } of dependencies) {
    const list = needs.get(task) ?? new Set();
    needs.set(task, list.add(keys.get(dependsOn) ?? ""));
  }
  return tasks.map(({ name, agentType, input }) =>
    plainStep(keys.get(name) ?? "", {
      title: name,
      capability: agentType,
      input: input === undefined ? null : { kind: "json", text: input },
      needs: [...(needs.get(name) ?? [])].map((step) => ({ step, regardless: false })),
    }),
  );
}
