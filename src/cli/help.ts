// The help of a command as a manual page: name, synopsis, description, arguments, options, examples, exit codes.
import type { Command, Help, Option } from "commander";
import { EXIT_CODES } from "./io.ts";
import type { Example } from "./registrar.ts";
import { textOf } from "./registrar.ts";

const WIDEST = 110;
const START: readonly Example[] = [
  { line: "init", what: "write a plan file to begin with" },
  { line: "apply plan.yaml --local", what: "perform it, with nothing else there" },
  { line: "serve", what: "run a server for all others" },
];
/** Defaults that say nothing. */
const NOTHING = / \(default: (""|\[\])\)$/;

export function helpWidth(columns: number): number {
  return Math.min(columns, WIDEST);
}

export function manualPage(command: Command, helper: Help): string {
  const width = helper.padWidth(command, helper);
  const item = (term: string, description: string): string => helper.formatItem(term, width, description, helper);
  const text = textOf(command);
  const wrapped = (paragraph: string): string =>
    helper.boxWrap(paragraph, (helper.helpWidth ?? 80) - 2).replaceAll(/^(?=.)/gm, "  ");
  const commands = new Map<string, string[]>();
  for (const sub of helper.visibleCommands(command)) {
    const heading = sub.helpGroup() || "COMMANDS";
    const line = item(helper.subcommandTerm(sub), helper.subcommandDescription(sub));
    commands.set(heading, [...(commands.get(heading) ?? []), line]);
  }
  const options = (list: readonly Option[]): string[] =>
    list.map((option) => item(option.flags, helper.optionDescription(option).replace(NOTHING, "")));
  return [
    ...section("NAME", [`  ${pathOf(command)} - ${command.description()}`]),
    ...section("SYNOPSIS", [`  ${helper.commandUsage(command)}`]),
    ...section("DESCRIPTION", text?.details === undefined ? [] : [wrapped(text.details)]),
    ...section(
      "ARGUMENTS",
      helper.visibleArguments(command).map((one) => item(helper.argumentTerm(one), helper.argumentDescription(one))),
    ),
    ...[...commands].flatMap(([heading, lines]) => section(heading, lines)),
    ...section("OPTIONS", options(helper.visibleOptions(command))),
    ...section("GLOBAL OPTIONS", options(sharedOptions(command))),
    ...section(
      "EXAMPLES",
      (text?.examples ?? START).map(({ line, what }) => `  maestro ${line}\n      ${what}`),
    ),
    ...section(
      "EXIT CODES",
      EXIT_CODES.map(([code, what]) => item(String(code), what)),
    ),
  ].join("\n");
}

/** Those of the program. A command that is above another one has options of its own, which say nothing below it. */
function sharedOptions({ parent }: Command): readonly Option[] {
  if (parent === null) return [];
  return parent.parent === null ? parent.options.filter(({ hidden }) => !hidden) : sharedOptions(parent);
}

function section(heading: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [heading, ...lines, ""];
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}
