// The `maestro` command: its groups, the flags that all commands share, and the exit code of each end. Not here: the commands
// and their flags, see groups/; what they do, see commands/.
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { contextOf, DEFAULT_SERVER } from "./context.ts";
import type { Context, GlobalFlags } from "./context.ts";
import { access } from "./groups/access.ts";
import { approvals } from "./groups/approvals.ts";
import { changing } from "./groups/changing.ts";
import { completion } from "./groups/completion.ts";
import { executors } from "./groups/executors.ts";
import { files } from "./groups/files.ts";
import { looking } from "./groups/looking.ts";
import { serving } from "./groups/serving.ts";
import { tending } from "./groups/tending.ts";
import { helpWidth, manualPage } from "./help.ts";
import { CommandEnd, FAILED, INTERRUPTED, MISUSED } from "./io.ts";
import type { CliIo } from "./io.ts";
import { registrarOf } from "./registrar.ts";
import type { Group } from "./registrar.ts";
import { harmless } from "./table.ts";

const { version } = createRequire(import.meta.url)("maestro/package.json") as { readonly version: string };

/** Every group of commands, in the order of the help page. A new one is a file in groups/ and a line here. */
const GROUPS: readonly Group[] = [files, looking, changing, approvals, executors, access, serving, tending, completion];

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
    io.err(`maestro: ${await whatWentWrong(error, contextOf(io, program.opts<GlobalFlags>()).server)}\n`);
    return FAILED;
  }
}

/** What can be thrown is loaded by now, or by nobody. */
async function whatWentWrong(error: unknown, server: string): Promise<string> {
  const [{ RefusedByServer }, { describeError }] = await Promise.all([
    import("../executor/executor.ts"),
    import("./refusal.ts"),
  ]);
  if (!(error instanceof RefusedByServer)) return describeError(error, server);
  const { message, remedy } = error;
  return `the server refused this executor: ${message}${remedy === "" ? "" : `\n  what would help: ${remedy}`}`;
}

/** The program with all of its commands; completion reads them as well. */
export function build(io: CliIo): Command {
  const program = new Command("maestro")
    .description("Plans, dispatches, governs and explains work for fleets of executors.")
    .version(version)
    .option("--server <url>", `the server's wide port (MAESTRO_URL; ${DEFAULT_SERVER})`)
    .option("--api-key <key>", "API key (MAESTRO_API_KEY)")
    .option("--json", "results as JSON, one object a line")
    .option("--quiet", "say only what was asked for and what went wrong")
    .exitOverride()
    .configureHelp({ formatHelp: manualPage, showGlobalOptions: true })
    .configureOutput({
      writeOut: io.out,
      // What was typed is said again, whatever it holds.
      writeErr: (text) => io.err(text.split("\n").map(harmless).join("\n")),
      getOutHelpWidth: () => helpWidth(io.columns),
      getErrHelpWidth: () => helpWidth(io.columns),
    })
    .showHelpAfterError("(maestro --help lists the commands)");
  const context = (server?: string): Context => contextOf(io, program.opts<GlobalFlags>(), server);
  for (const { heading, register } of GROUPS) register(registrarOf(program, heading, { io, context }));
  return program;
}
