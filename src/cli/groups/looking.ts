// The group of commands that look at goals and plans and change nothing.
import { Option } from "commander";
import { GoalStateSchema } from "../../../gen/maestro/v1/goal_pb.ts";
import { PlanStateSchema } from "../../../gen/maestro/v1/plan_pb.ts";
import { StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import type { DiffFlags } from "../commands/diff.ts";
import type { GoalsFlags } from "../commands/goals.ts";
import type { PlansFlags } from "../commands/plans.ts";
import type { StepsFlags } from "../commands/steps.ts";
import { addStates, collect } from "../flags.ts";
import { addLimit } from "../listing.ts";
import type { Group, Registrar } from "../registrar.ts";

// Only who looks pays for loading what it takes; help and completion are quick.
const goalCommands = () => import("../commands/goals.ts");
const planCommands = () => import("../commands/plans.ts");
const looks = () => import("../commands/look.ts");
const ORDERS = ["created_at desc", "created_at", "name", "finished_at desc", "finished_at"];

export const looking: Group = {
  heading: "LOOKING AT WORK",
  register: (registrar) => {
    addLists(registrar);
    addPlanLooks(registrar);
  },
};

function addLists({ add, context }: Registrar): void {
  const goalList = add({
    usage: "goals [goal]",
    summary: "list goals, or show one",
    details:
      "All conditions must hold, of several states one. The filter is CEL over state, name, intent, charter, labels, attributes, " +
      "created_at and finished_at: comparisons, in, has, startsWith, contains, &&, || and !.",
    examples: [
      { line: "goals --label team=core --state active", what: "what runs for a team" },
      { line: `goals --filter 'name.startsWith("nightly") && labels.tier == "1"'`, what: "by a filter in CEL" },
      { line: "goals pack", what: "all about the goal of that name" },
    ],
  })
    .option("--charter <charter>", "only of the charter of this name or id", "")
    .option("--label <name=value>", "only with this label; repeatable", collect, [])
    .option("--filter <cel>", "only those for which this holds")
    .addOption(new Option("--order-by <order>", "which come first").choices(ORDERS).default(ORDERS[0]))
    .action(async (goal: string | undefined, flags: GoalsFlags) => {
      const { goals, showGoal } = await goalCommands();
      await (goal === undefined ? goals(flags, context()) : showGoal(goal, context()));
    });
  addLimit(addStates(goalList, GoalStateSchema));

  const planList = add({
    usage: "plans [plan]",
    summary: "list plans, newest first, or show one with its account and steps",
    examples: [
      { line: "plans --state active --state suspended", what: "what has not ended" },
      { line: "plans pack", what: "the plan of the goal of that name, with its steps" },
      { line: "--json plans --all", what: "every plan, an object a line" },
    ],
  })
    .option("--goal <goal>", "only of this goal")
    .action(async (plan: string | undefined, flags: PlansFlags) => {
      const { plans, showPlanOnce } = await planCommands();
      await (plan === undefined ? plans(flags, context()) : showPlanOnce(plan, context()));
    });
  addLimit(addStates(planList, PlanStateSchema));
}

function addPlanLooks({ add, context }: Registrar): void {
  const stepList = add({
    usage: "steps <plan> [step]",
    summary: "list a plan's steps, or show one with its attempts",
    examples: [
      { line: "steps pack --state failed --state leased", what: "what failed, and what runs" },
      { line: "steps pack --watch", what: "see them change" },
      { line: "steps pack test", what: "all about one: input, outputs, and who tried it when" },
    ],
  }).action(async (plan: string, step: string | undefined, flags: StepsFlags) => {
    const { steps, showStep } = await import("../commands/steps.ts");
    await (step === undefined ? steps(plan, flags, context()) : showStep(plan, step, context()));
  });
  addLimit(addStates(stepList, StepStateSchema));
  add({
    usage: "watch <plan>",
    summary: "show a plan until it ends",
    details: "Ends with the plan's result. An interrupt ends the watching, not the plan.",
    examples: [{ line: "watch pack", what: "follow the plan of the goal of that name" }],
  }).action(async (plan: string) => (await looks()).watch(plan, context()));
  add({
    usage: "explain <plan> [step]",
    summary: "say what a plan, or one of its steps, waits for, or how the step ended",
    examples: [
      { line: "explain pack", what: "every unfinished step and what it waits for" },
      { line: "explain pack test", what: "the same of one step" },
    ],
  }).action(async (plan: string, step: string | undefined) => (await looks()).explain(plan, step, context()));
  add({
    usage: "logs <plan> <step>",
    summary: "print the lines of a step's newest attempt",
    examples: [{ line: "logs pack test --follow", what: "go on until the step ends" }],
  })
    .option("-f, --follow", "go on until the step ends")
    .action(async (plan: string, step: string, { follow = false }: { follow?: boolean }) =>
      (await looks()).logs(plan, step, follow, context()),
    );
  add({
    usage: "trace <plan> [step]",
    summary: "trace credit and blame",
    details:
      "Shows what was planned and what came of it, the critical path as it was, who used what, and root causes of failures.",
    examples: [
      { line: "trace pack", what: "where the time and the money went" },
      { line: "--json trace pack report", what: "the leg of one step, as an object" },
    ],
  }).action(async (plan: string, step: string | undefined) => (await looks()).trace(plan, step, context()));
  add({
    usage: "diff <plan> [from] [to]",
    arguments: {
      from: "number of the older version, such as 2, or a plan file",
      to: "number of the newer version; the active one unless given",
    },
    summary: "show how two versions differ, or a plan file and the active version",
    details:
      "Without versions: the active one and the one it was made from. With one: that and the active one. A plan file in place of " +
      "`from` is compared with the active version, and what would become of each step is said. Changes nothing of what runs; " +
      "where more than 2,000 steps of the file differ, a version that is not committed is left behind.",
    examples: [
      { line: "diff pack", what: "what the newest re-plan changed" },
      { line: "diff pack 1 3", what: "between two versions" },
      { line: "diff pack plan.yaml --exit-code", what: "whether the file asks for something else than what runs" },
    ],
  })
    .option("--exit-code", "end with 1 when there is a difference")
    .action(async (plan: string, from: string | undefined, to: string | undefined, flags: DiffFlags) => {
      const { diff } = await import("../commands/diff.ts");
      await diff(plan, from, to, flags, context());
    });
}
