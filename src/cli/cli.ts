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
import { releasing } from "./groups/release.ts";
import { serving } from "./groups/serving.ts";
import { tending } from "./groups/tending.ts";
import { helpWidth, manualPage } from "./help.ts";
import { CommandEnd, INTERRUPTED, MISUSED } from "./io.ts";
import type { CliIo } from "./io.ts";
import { registrarOf } from "./registrar.ts";
import type { Group } from "./registrar.ts";
import { harmless } from "./table.ts";
import { troubleLine, troubleOfEnd } from "./trouble.ts";

const { version } = createRequire(import.meta.url)("maestro/package.json") as { readonly version: string };

/** Every group of commands, in the order of the help page. A new one is a file in groups/ and a line here. */
const GROUPS: readonly Group[] = [
  files,
  looking,
  changing,
  approvals,
  releasing,
  executors,
  access,
  serving,
  tending,
  completion,
];

/**
 * Runs one command; `argv` is what follows the program's name. Never throws: what went wrong is told on `io.err`, with `--json`
 * as an object. Exit codes are those of io.ts.
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const json = asksForJson(argv);
  let pages = "";
  const program = json ? build(io, (text) => (pages += text)) : build(io);
  try {
    await program.parseAsync(sharedFirst(program, argv), { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return endOfParsing(error, json ? pages : undefined, io);
    if (error instanceof CommandEnd) {
      if (error.message !== "") io.err(json ? troubleLine(troubleOfEnd(error)) : `${error.message}\n`);
      return error.exitCode;
    }
    if (io.signal.aborted) return INTERRUPTED;
    // What can be thrown is loaded by now, or by nobody.
    const { troubleOf } = await import("./refusal.ts");
    const trouble = troubleOf(error, contextOf(io, program.opts<GlobalFlags>()).server);
    io.err(json ? troubleLine(trouble) : `maestro: ${trouble.message}\n`);
    return trouble.exitCode;
  }
}

/** Known before the line is read: it may be the line that is wrong. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return argv.slice(0, end < 0 ? argv.length : end).includes("--json");
}

/**
 * Shared flags go first, wherever they stand: the parser then leaves what follows a command's name to that command, which may have
 * a flag that the command above it has as well.
 */
function sharedFirst(program: Command, argv: readonly string[]): string[] {
  const shared: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? "";
    if (word === "--") {
      rest.push(...argv.slice(i));
      break;
    }
    const [flag = ""] = word.split("=");
    const option = program.options.find(({ long, short }) => flag === long || word === short);
    if (option === undefined) rest.push(word);
    else if (option.required && flag === word) shared.push(...argv.slice(i, ++i + 1));
    else shared.push(word);
  }
  return [...shared, ...rest];
}

/** The parser has said by itself what is wrong, or shown a page, unless `pages` holds it for an object. */
function endOfParsing({ code, exitCode, message }: CommanderError, pages: string | undefined, io: CliIo): number {
  const end = exitCode === 0 ? 0 : MISUSED;
  if (pages === undefined) return end;
  if (end !== 0) {
    const told = code === "commander.help" ? "name a command" : harmless(message.replace(/^error: /, ""));
    io.err(troubleLine({ reason: "MISUSED", exitCode: end, message: told }));
  } else io.out(`${JSON.stringify(code === "commander.version" ? { version: pages.trim() } : { help: pages })}\n`);
  return end;
}

/** The program with all of its commands; completion reads them as well. `page` takes help, and what is wrong with a line. */
export function build(io: CliIo, page?: (text: string) => void): Command {
  const program = new Command("maestro")
    .description("Plans, dispatches, governs and explains work for fleets of executors.")
    .version(version)
    .option("--server <url>", `the server's wide port (MAESTRO_URL; ${DEFAULT_SERVER})`)
    .option("--api-key <key>", "API key (MAESTRO_API_KEY)")
    .option("--json", "answers and errors as JSON, one object a line")
    .option("--quiet", "say only what was asked for and what went wrong")
    .option(
      "--timeout <duration>",
      "how long a server may take to answer, such as 5s or 2m (1m; 5m where it reads evidence first)",
    )
    .enablePositionalOptions()
    .exitOverride()
    .configureHelp({ formatHelp: manualPage, showGlobalOptions: true })
    .configureOutput({
      writeOut: page ?? io.out,
      // What was typed is said again, whatever it holds.
      writeErr: (text) => (page ?? io.err)(text.split("\n").map(harmless).join("\n")),
      getOutHelpWidth: () => helpWidth(io.columns),
      getErrHelpWidth: () => helpWidth(io.columns),
    })
    .showHelpAfterError("(maestro --help lists the commands)");
  const context = (server?: string): Context => contextOf(io, program.opts<GlobalFlags>(), server);
  for (const { heading, register } of GROUPS) register(registrarOf(program, heading, { io, context }));
  return program;
}
