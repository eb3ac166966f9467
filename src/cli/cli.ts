// The `maestro` command: its commands and flags, and the exit code of each end. Not here: what commands do, see commands/.
import { createRequire } from "node:module";
import { availableParallelism, hostname } from "node:os";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { SETTINGS, flagOf } from "../config.ts";
import type { SettingName } from "../config.ts";
import { RefusedByServer } from "../executor/executor.ts";
import { apply } from "./commands/apply.ts";
import type { ApplyFlags } from "./commands/apply.ts";
import { decide } from "./commands/decide.ts";
import { runExecutor } from "./commands/executor-run.ts";
import { explain, logs, trace, watch } from "./commands/look.ts";
import { validate } from "./commands/validate.ts";
import { contextOf, DEFAULT_SERVER } from "./context.ts";
import type { Context, GlobalFlags } from "./context.ts";
import { planFileSchema } from "./plan-file/schema.ts";
import { CommandEnd, FAILED, INTERRUPTED, MISUSED } from "./io.ts";
import type { CliIo } from "./io.ts";
import { describeError } from "./refusal.ts";

const { version } = createRequire(import.meta.url)("maestro/package.json") as { readonly version: string };

/**
 * Runs one command; `argv` is what follows the program's name. Never throws: what went wrong is told on `io.err`.
 * Exit codes: 0 done, 1 failed or refused, 2 a wrong command or file, 130 interrupted.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const program = build(io);
  try {
    await program.parseAsync([...argv], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : MISUSED;
    if (error instanceof CommandEnd) {
      if (error.message !== "") io.err(`${error.message}\n`);
      return error.exitCode;
    }
    if (io.signal.aborted) return INTERRUPTED;
    const text =
      error instanceof RefusedByServer
        ? refusedText(error)
        : describeError(error, contextOf(io, program.opts<GlobalFlags>()).server);
    io.err(`maestro: ${text}\n`);
    return FAILED;
  }
}

function refusedText({ message, remedy }: RefusedByServer): string {
  return `the server refused this executor: ${message}${remedy === "" ? "" : `\n  what would help: ${remedy}`}`;
}

function build(io: CliIo): Command {
  const program = new Command("maestro")
    .description("Plans, dispatches, governs and explains work for fleets of executors.")
    .version(version)
    .option("--server <url>", `the server's wide port (MAESTRO_URL; ${DEFAULT_SERVER})`)
    .option("--api-key <key>", "API key (MAESTRO_API_KEY)")
    .option("--json", "results as JSON, one object a line")
    .option("--quiet", "say nothing but what went wrong")
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .showHelpAfterError("(maestro --help lists the commands)");
  const context = (server?: string): Context => contextOf(io, program.opts<GlobalFlags>(), server);
  // Each command inherits how ends and output are handled.
  const command = (parent: Command, usage: string, description: string): Command =>
    parent.command(usage).description(description);

  addServe(command(program, "serve", "run the server"), io);
  command(program, "validate <file>", "judge a plan file without a server").action((file: string) =>
    validate(file, context()),
  );
  command(program, "schema", "print the plan file's JSON Schema, for editors").action(() =>
    io.out(`${JSON.stringify(planFileSchema(), null, 2)}\n`),
  );
  addApply(command(program, "apply <file>", "make what a plan file says come true, and show it"), io, context);
  command(program, "watch <plan>", "show a plan until it ends").action((plan: string) => watch(plan, context()));
  command(
    program,
    "explain <plan> [step]",
    "say what a plan, or one of its steps, waits for, or how the step ended",
  ).action((plan: string, step: string | undefined) => explain(plan, step, context()));
  command(program, "logs <plan> <step>", "print the lines of a step's newest attempt")
    .option("-f, --follow", "go on until the step ends")
    .action((plan: string, step: string, { follow = false }: { follow?: boolean }) =>
      logs(plan, step, follow, context()),
    );
  for (const [verb, approve, what] of [
    ["approve", true, "say yes to a question that a plan waits with"],
    ["reject", false, "say no to a question that a plan waits with"],
  ] as const) {
    command(program, `${verb} <approval>`, what)
      .option("--comment <text>", "what is kept with the answer", "")
      .action((approval: string, { comment }: { comment: string }) => decide(approval, approve, comment, context()));
  }
  command(program, "trace <plan> [step]", "trace credit and blame").action((plan: string, step: string | undefined) =>
    trace(plan, step, context()),
  );
  addExecutor(command(program, "executor", "executors"), command, context);
  return program;
}

function addServe(command: Command, io: CliIo): void {
  for (const [name, { kind, env, help }] of Object.entries(SETTINGS)) {
    const flag = flagOf(name as SettingName);
    command.addOption(new Option(kind === "flag" ? flag : `${flag} <value>`, `${help} [${env}]`));
  }
  command.option("--config <file>", "settings by name, YAML or JSON");
  command.action(async ({ config, ...settings }: Record<string, unknown>) => {
    // Only who serves pays for loading the server.
    const { serve } = await import("./serve.ts");
    await serve({ settings, ...(typeof config === "string" && { configFile: config }) }, io);
  });
}

interface LocalFlags {
  readonly dataDir?: string;
  readonly slots: number;
}

function addApply(command: Command, io: CliIo, context: (server?: string) => Context): void {
  command
    .option("--dry-run", "only show what would happen")
    .option("--detach", "do not wait for the plan's end")
    .option("--again", "make a new goal although one of this name exists")
    .option("--accept-late", "commit although the deadline cannot be met")
    .option("--local", "start a server and a shell executor in this process")
    .option("--data-dir <folder>", "with --local: folder of the embedded database")
    .option("--slots <count>", "with --local: how many steps to perform at once", count, availableParallelism())
    .action(async (file: string, flags: ApplyFlags & LocalFlags) => {
      if (flags.local !== true) return apply(file, flags, context());
      if (flags.detach === true)
        throw new CommandEnd(MISUSED, "--detach needs a server that goes on; --local ends with the command");
      // A wrong file needs no server to be told.
      validate(file, { ...context(), json: false, quiet: true });
      const { startLocal } = await import("./local.ts");
      const local = await startLocal(flags.dataDir, flags.slots, io);
      try {
        await apply(file, flags, context(local.url));
      } finally {
        await local.close();
      }
    });
}

interface ExecutorRunFlags {
  readonly name: string;
  readonly slots: number;
  readonly label: readonly string[];
  readonly org: readonly string[];
  readonly capability: readonly string[];
}

function addExecutor(
  executor: Command,
  command: (parent: Command, usage: string, description: string) => Command,
  context: () => Context,
): void {
  command(executor, "run", "perform command steps on this machine")
    .option("--name <name>", "unique in the org; the id stays with it", `shell-${hostname()}`.slice(0, 128))
    .option("--slots <count>", "how many steps to perform at once", count, availableParallelism())
    .option("--label <name=value>", "label that steps can ask for; repeatable", collect, [])
    .option("--org <org>", "org whose steps it takes; repeatable", collect, [])
    .option("--capability <name>", "capability it takes, `shell` unless given; repeatable", collect, [])
    .addHelpText(
      "after",
      `
Commands run as the user of this process. Commands of the same user can read its memory and the environment it was started
with, and so its API key: run untrusted commands as another user, in an executor of their own.`,
    )
    .action(async ({ name, slots, label, org, capability }: ExecutorRunFlags) => {
      const capabilities = capability.length === 0 ? ["shell"] : capability;
      await runExecutor(
        { name, slots, labels: Object.fromEntries(label.map(labelPair)), orgs: org, capabilities },
        context(),
      );
    });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

function count(value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > 4096)
    throw new InvalidArgumentError("must be a whole number from 1 to 4096");
  return number;
}

function labelPair(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new CommandEnd(MISUSED, `--label ${text}: write name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}
