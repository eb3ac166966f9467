// The group of verbs of operators: on plans, and on single steps.
import type { ReplanFlags } from "../commands/replan.ts";
import type { Group, Registrar } from "../registrar.ts";

// Only who changes something pays for loading what it takes; help and completion are quick.
const verbs = () => import("../commands/plan-verbs.ts");
const REASON = ["--reason <text>", "why; kept with the record"] as const;

export const changing: Group = {
  heading: "CHANGING WORK",
  register: (registrar) => {
    addPlanVerbs(registrar);
    addStepVerbs(registrar);
  },
};

interface Reason {
  readonly reason: string;
}

function addPlanVerbs({ add, context }: Registrar): void {
  add({
    usage: "replan <plan> <file>",
    summary: "put what a plan file says in the place of what a plan runs",
    details:
      "Shows the difference, and commits it: what is done and unchanged is reused, what runs unchanged carries on, what is done and " +
      "gone or changed is undone. The file's steps and limits are taken; the goal and its charter stay as they are.",
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
  add({
    usage: "cancel <plan>",
    summary: "cancel a plan",
    details:
      "What has not begun is cancelled, and what runs is told to stop. What is done stays, unless it is to be compensated.",
    examples: [
      { line: "cancel pack", what: "stop it, and leave what is done" },
      { line: `cancel pack --compensate --reason "wrong branch"`, what: "undo what is done as well" },
    ],
  })
    .option("--compensate", "undo what is done, in reverse order")
    .option("--no-compensate", "leave what is done, as without a flag")
    .option(...REASON, "")
    .action(async (plan: string, { reason, compensate = false }: Reason & { compensate?: boolean }) => {
      const { actOnPlan, cancelPlan } = await verbs();
      await actOnPlan(cancelPlan(compensate), plan, reason, context());
    });
  for (const [verb, call, summary, details, what] of [
    [
      "suspend",
      "suspendPlan",
      "stop dispatch of a plan",
      "Nothing new begins; what runs goes on.",
      "until it is resumed",
    ],
    ["resume", "resumePlan", "go on with a suspended plan", undefined, "begin what is ready again"],
  ] as const) {
    add({
      usage: `${verb} <plan>`,
      summary,
      ...(details !== undefined && { details }),
      examples: [{ line: `${verb} pack`, what }],
    })
      .option(...REASON, "")
      .action(async (plan: string, { reason }: Reason) => {
        const { actOnPlan, [call]: make } = await verbs();
        await actOnPlan(make, plan, reason, context());
      });
  }
}

function addStepVerbs({ add, context }: Registrar): void {
  for (const [verb, call, summary, what] of [
    ["retry", "retryStep", "run a step again that failed, was refused, or backs off", "run it now"],
    ["hold", "holdStep", "hold a step back that has not begun", "it waits until it is released"],
    ["release", "releaseStep", "let a held step go on", "it begins when it can"],
    ["skip", "skipStep", "skip a step that has not begun, with the steps that need its success", "go on without it"],
  ] as const) {
    add({ usage: `${verb} <plan> <step>`, summary, examples: [{ line: `${verb} pack test`, what }] })
      .option(...REASON, "")
      .action(async (plan: string, step: string, { reason }: Reason) => {
        const { actOnStep, [call]: make } = await verbs();
        await actOnStep(make, plan, step, reason, context());
      });
  }
}
