// Verbs of operators on single steps, and on many of a plan by a pattern.
import { Option } from "commander";
import { ErrorClassSchema, StepStateSchema } from "../../../gen/maestro/v1/step_pb.ts";
import type { BulkFlags } from "../commands/bulk.ts";
import type { RerunFlags, ResolveFlags } from "../commands/step-words.ts";
import { addStates, REASON } from "../flags.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import type { Registrar } from "../registrar.ts";
import { wordsOf } from "../words.ts";

const verbs = () => import("../commands/plan-verbs.ts");
const bulk = () => import("../commands/bulk.ts");
const stepWords = () => import("../commands/step-words.ts");
const STEPS = "key of a step of the plan, or a pattern of keys such as 'build-*'";

const RETRIES =
  " A compensation that failed is undone again: that of an older row, which a re-plan or rerun dropped, when there is nothing else to retry " +
  "under the key, or by its row's number; of many, with --state compensation_failed.";
const ROW = ["--row <number>", "number of the row that is meant, of a step that has several", rowOf] as const;

type StepFlags = BulkFlags & { readonly state: readonly string[]; readonly row?: number };

function rowOf(typed: string): number {
  if (!/^[1-9][0-9]{0,8}$/.test(typed)) throw new CommandEnd(MISUSED, "--row takes the number of a row");
  return Number(typed);
}

export function addStepVerbs(registrar: Registrar): void {
  addPatternVerbs(registrar);
  addWords(registrar);
}

function addPatternVerbs({ add, context }: Registrar): void {
  for (const [verb, one, many, summary, what] of [
    ["retry", "retryStep", "retrySteps", "run a step again that failed, was refused, or backs off", "run it now"],
    ["hold", "holdStep", "holdSteps", "hold a step back that has not begun", "it waits until it is released"],
    ["release", "releaseStep", "releaseSteps", "let a held step go on", "it begins when it can"],
    [
      "skip",
      "skipStep",
      "skipSteps",
      "skip a step that has not begun, with the steps that need its success",
      "go on without it",
    ],
  ] as const) {
    const command = add({
      usage: `${verb} <plan> <step>`,
      arguments: { step: STEPS },
      summary,
      details:
        "In a pattern * stands for any characters and ? for one; steps whose state does not allow it are passed over, and counted." +
        (verb === "retry" ? RETRIES : ""),
      examples: [
        { line: `${verb} pack test`, what },
        { line: `${verb} pack 'build-*' --dry-run`, what: "which steps it would be" },
      ],
    })
      .option("--dry-run", "of a pattern: only say which")
      .option(...REASON, "")
      .action(async (plan: string, step: string, flags: StepFlags) => {
        if (/[*?]/.test(step)) {
          if (flags.row !== undefined) throw new CommandEnd(MISUSED, "--row is for one step");
          const { changeSteps, [many]: of } = await bulk();
          return changeSteps(of, plan, step, flags, context());
        }
        if (flags.dryRun === true || flags.state.length > 0)
          throw new CommandEnd(MISUSED, "--dry-run and --state are for a pattern of steps");
        const { actOnStep, [one]: call } = await verbs();
        await actOnStep(call(flags.row ?? 0), plan, step, flags.reason, verb === "hold" ? ", held" : "", context());
      });
    if (verb === "retry") command.option(...ROW);
    addStates(command, StepStateSchema);
  }
}

function addWords({ add, context }: Registrar): void {
  add({
    usage: "rerun <plan> <step>",
    summary: "do a step again that is done",
    details:
      "If it declared how its effect is undone, that comes first; should it fail, the step waits until the undoing is retried or " +
      "resolved. What had not begun waits for the step anew. Steps that consumed its outputs and are done, or run, stay and are named, " +
      "unless they are to run again as well.",
    examples: [
      { line: "rerun pack fetch --dry-run", what: "what would become of the other steps" },
      { line: `rerun pack fetch --cascade --reason "the mirror was stale"`, what: "with all that came of it" },
    ],
  })
    .option("--cascade", "run again as well what consumed its outputs")
    .option("--at-once", "do not wait until the old effect is undone")
    .option("--dry-run", "only say what would become of the other steps")
    .option(...REASON, "")
    .action(async (plan: string, step: string, flags: RerunFlags) =>
      (await stepWords()).rerun(plan, step, flags, context()),
    );
  add({
    usage: "resolve <plan> <step>",
    summary: "say by hand what a step came to, where nobody else will",
    details:
      "For a step that waits, failed, or is leased to an executor that never answers; its lease ends. The word is final: a failure is " +
      "not retried. With --row, for an older row of the step that still runs or could not be undone.",
    examples: [
      {
        line: `resolve pack upload --success --outputs '{"url":"x"}' --reason "seen in the bucket"`,
        what: "it is done",
      },
      {
        line: `resolve pack upload --failure "the bucket is gone" --reason "asked its owner"`,
        what: "it cannot be done",
      },
    ],
  })
    .option("--success", "it succeeded")
    .option("--outputs <json>", "what it came to, a JSON object; @file reads it")
    .option("--failure <message>", "it failed, and what happened")
    .addOption(
      new Option("--class <class>", "kind of the failure")
        .choices(wordsOf(ErrorClassSchema).map((one) => one.toLowerCase()))
        .default("permanent"),
    )
    .option(...ROW)
    .option("--reason <text>", "why, and how it is known; needed, and kept with the record")
    .action(async (plan: string, step: string, flags: ResolveFlags) =>
      (await stepWords()).resolveStep(plan, step, flags, context()),
    );
}
