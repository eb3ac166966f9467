// The group of plan files: `init`, `validate`, `schema`, `apply`.
import { availableParallelism } from "node:os";
import type { ApplyFlags } from "../commands/apply.ts";
import { wholeTo } from "../flags.ts";
import { CommandEnd, MISUSED } from "../io.ts";
import type { Group, Registrar } from "../registrar.ts";

export const files: Group = {
  heading: "PLAN FILES",
  register: (registrar) => {
    const { add, context, io } = registrar;
    add({
      usage: "init [file]",
      summary: "write a plan file to begin with",
      details:
        "Writes a small plan that runs, and its JSON Schema beside it, which editors then complete and check by. The file is " +
        "JSON when its name ends so, or when --json is given without a name; else YAML. Nothing is overwritten. - prints the plan alone.",
      examples: [
        { line: "init", what: "write plan.yaml" },
        { line: "init --json", what: "write plan.json" },
        { line: "init nightly.yaml --no-schema", what: "without the schema beside it" },
      ],
    })
      .option("--no-schema", "do not write the schema beside the file")
      .action(async (file: string | undefined, flags: { schema: boolean }) => {
        const { init } = await import("../commands/init.ts");
        init(file, flags, context());
      });
    add({
      usage: "validate <file>",
      summary: "judge a plan file without a server",
      details: "Lists every mistake with its line and column, and warns of what is allowed and hardly meant.",
      examples: [{ line: "validate plan.yaml", what: "say whether the file could be applied" }],
    }).action(async (file: string) => {
      const { validate } = await import("../commands/validate.ts");
      validate(file, context());
    });
    add({
      usage: "schema",
      summary: "print the plan file's JSON Schema, for editors",
      examples: [{ line: "schema > plan.schema.json", what: "keep it where an editor finds it" }],
    }).action(async () => {
      const { planFileSchema } = await import("../plan-file/schema.ts");
      io.out(`${JSON.stringify(planFileSchema(), null, context().json ? 0 : 2)}\n`);
    });
    addApply(registrar);
  },
};

interface LocalFlags {
  readonly dataDir?: string;
  readonly slots: number;
}

function addApply({ add, context, io }: Registrar): void {
  add({
    usage: "apply <file>",
    summary: "make what a plan file says come true, and show it",
    details:
      "Finds the newest goal of the file's name under its charter. An unchanged file changes nothing; a changed one is shown as a " +
      "difference and re-plans what runs. Exits when the plan has ended, with its result.",
    examples: [
      { line: "apply plan.yaml", what: "begin it, or change what the file began before, and watch" },
      { line: "apply plan.yaml --dry-run", what: "only show what would happen" },
      { line: "apply plan.yaml --local", what: "with a server and an executor in this very process" },
    ],
  })
    .option("--dry-run", "only show what would happen")
    .option("--detach", "do not wait for the plan's end")
    .option("--again", "make a new goal although one of this name exists")
    .option("--accept-late", "commit although the deadline cannot be met")
    .option("--local", "start a server and a shell executor in this process")
    .option("--data-dir <folder>", "with --local: folder of the embedded database")
    .option("--slots <count>", "with --local: how many steps to perform at once", wholeTo(4096), availableParallelism())
    .action(async (file: string, flags: ApplyFlags & LocalFlags) => {
      const { apply } = await import("../commands/apply.ts");
      if (flags.local !== true) return apply(file, flags, context());
      if (flags.detach === true)
        throw new CommandEnd(MISUSED, "--detach needs a server that goes on; --local ends with the command");
      // A wrong file needs no server to be told.
      const { validate } = await import("../commands/validate.ts");
      validate(file, { ...context(), json: false, quiet: true });
      const { startLocal } = await import("../local.ts");
      const local = await startLocal(flags.dataDir, flags.slots, io);
      try {
        await apply(file, flags, context(local.url));
      } finally {
        await local.close();
      }
    });
}
