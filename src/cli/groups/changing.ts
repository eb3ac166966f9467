// The group of verbs of operators: on plans. Those on single steps are in changing-steps.ts.
import type { Command } from "commander";
import { GoalStateSchema } from "../../../gen/maestro/v1/goal_pb.ts";
import type { PlansWanted } from "../commands/bulk.ts";
import type { ReplanFlags } from "../commands/replan.ts";
import { addStates, collect, REASON } from "../flags.ts";
import { filterOf } from "../goal-filter.ts";
import type { FilterFlags } from "../goal-filter.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import type { Group, Registrar } from "../registrar.ts";
import { addStepVerbs } from "./changing-steps.ts";

// Only who changes something pays for loading what it takes; help and completion are quick.
const verbs = () => import("../commands/plan-verbs.ts");
const bulk = () => import("../commands/bulk.ts");
const MANY =
  "Of many, each is changed and recorded by itself, page by page; a state that does not allow it is passed over.";

export const changing: Group = {
  heading: "CHANGING WORK",
  register: (registrar) => {
    addPlanVerbs(registrar);
    addStepVerbs(registrar);
  },
};

interface PlanFlags extends FilterFlags {
  readonly charter: string;
  readonly reason: string;
  readonly compensate?: boolean;
  readonly dryRun?: boolean;
}

function addPlanVerbs({ add, context }: Registrar): void {
  add({
    usage: "replan <plan> <file>",
    summary: "put what a plan file says in the place of what a plan runs",
    details:
      "Shows the difference, and commits it: what is done and unchanged is reused, what runs unchanged carries on, what is done and " +
      "gone or changed is undone, and only then runs anew. The file's steps and limits are taken; the goal and its charter stay as they are. A file of up " +
      "to 20,000 steps will do; where more than 2,000 of them change, all become a version of the goal first, which is then " +
      "committed, limits before it, and which stays uncommitted after --dry-run.",
    examples: [
      { line: "replan pack plan.yaml --dry-run", what: "only show what would become of each step" },
      { line: `replan pack plan.yaml --reason "the mirror moved"`, what: "do it" },
    ],
  })
    .option("--dry-run", "only show what would happen")
    .option(...REASON, "")
    .action(async (plan: string, file: string, flags: ReplanFlags) => {
      const { replan } = await import("../commands/replan.ts");
      await replan(plan, file, flags, context());
    });
  const cancel = add({
    usage: "cancel [plan]",
    summary: "cancel a plan, or all plans of the goals that a filter names",
    details: `What has not begun is cancelled, and what runs is told to stop. What is done stays, unless it is to be compensated. ${MANY}`,
    examples: [
      { line: "cancel pack", what: "stop it, and leave what is done" },
      { line: `cancel pack --compensate --reason "wrong branch"`, what: "undo what is done as well" },
      { line: "cancel --label team=core --dry-run", what: "which plans of a team would be cancelled" },
    ],
  })
    .option("--compensate", "undo what is done, in reverse order")
    .option("--no-compensate", "leave what is done, as without a flag")
    .action(async (plan: string | undefined, flags: PlanFlags) => {
      const wanted = wantedOf(plan, flags);
      if (wanted !== undefined) return (await bulk()).changePlans((await bulk()).cancelPlans, wanted, context());
      const { actOnPlan, cancelPlan } = await verbs();
      await actOnPlan(cancelPlan(flags.compensate ?? false), plan ?? "", flags.reason, context());
    });
  addSelection(cancel);
  for (const [verb, one, many, summary, details, what] of [
    [
      "suspend",
      "suspendPlan",
      "suspendPlans",
      "stop dispatch of a plan",
      "Nothing new begins; what runs goes on. ",
      "until it is resumed",
    ],
    ["resume", "resumePlan", "resumePlans", "go on with a suspended plan", "", "begin what is ready again"],
  ] as const) {
    const command = add({
      usage: `${verb} [plan]`,
      summary: `${summary}, or all plans of the goals that a filter names`,
      details: `${details}${MANY}`,
      examples: [
        { line: `${verb} pack`, what },
        { line: `${verb} --charter release --filter 'name.startsWith("nightly")'`, what: "many at once" },
      ],
    }).action(async (plan: string | undefined, flags: PlanFlags) => {
      const wanted = wantedOf(plan, flags);
      if (wanted !== undefined) {
        const { changePlans, [many]: of } = await bulk();
        return changePlans(of, wanted, context());
      }
      const { actOnPlan, [one]: call } = await verbs();
      await actOnPlan(call, plan ?? "", flags.reason, context());
    });
    addSelection(command);
  }
}

function addSelection(command: Command): void {
  const selected = command
    .option("--charter <charter>", "without a plan: of goals of this charter", "")
    .option("--label <name=value>", "without a plan: of goals with this label; repeatable", collect, [])
    .option("--filter <cel>", "without a plan: of goals for which this holds")
    .option("--dry-run", "without a plan: only say which")
    .option(...REASON, "");
  addStates(selected, GoalStateSchema);
}

/** Undefined when one plan is named. Nobody means everything by saying nothing. */
function wantedOf(plan: string | undefined, flags: PlanFlags): PlansWanted | undefined {
  const { charter, reason, compensate = false, dryRun = false } = flags;
  const filter = filterOf(flags);
  const named = charter !== "" || filter !== "";
  if (plan === undefined && !named)
    throw new CommandEnd(MISUSED, "name a plan, or say which by --charter, --label, --state or --filter");
  if (plan === undefined) return { charter, filter, reason, compensate, dryRun };
  if (named || dryRun) throw new CommandEnd(MISUSED, "name a plan, or say which by flags; not both");
  return undefined;
}
