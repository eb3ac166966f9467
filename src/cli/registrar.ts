// How a command is made: its usage, its words for the help page, its place there. Not here: which commands there are, see groups/.
import type { Command } from "commander";
import type { Context } from "./context.ts";
import type { CliIo } from "./io.ts";

export interface Example {
  /** What is typed, without the program's name. */
  readonly line: string;
  readonly what: string;
}

export interface CommandText {
  /** Name and arguments, such as `logs <plan> <step>`. Arguments of these names are explained and completed by themselves. */
  readonly usage: string;
  /** What its arguments are, where their names do not say it. */
  readonly arguments?: Readonly<Record<string, string>>;
  /** One line. */
  readonly summary: string;
  readonly details?: string;
  /** For programs: help does not list it. */
  readonly hidden?: boolean;
  /** It does nothing by itself. */
  readonly onlyParts?: boolean;
  readonly examples: readonly [Example, ...Example[]];
}

export interface Registrar {
  readonly io: CliIo;
  /** What the shared flags say, once the line has been read. */
  readonly context: (server?: string) => Context;
  /** A command of the group, or of another command. */
  readonly add: (text: CommandText, parent?: Command) => Command;
}

/** Commands that belong together, under one heading of the help page. */
export interface Group {
  readonly heading: string;
  readonly register: (registrar: Registrar) => void;
}

/** What arguments of these names are, wherever they stand. */
const ARGUMENTS: Readonly<Record<string, string>> = {
  plan: "plan id, goal id, or a goal's name that only one goal has",
  goal: "goal id, plan id, or a name that only one goal has",
  step: "key of a step of the plan",
  executor: "executor id or name",
  run: "run id, plan id, goal id, or a goal's name that only one goal has",
  artifact: "artifact id, as `artifacts` lists it",
  pack: "pack id, as `packs` lists it",
  waiver: "waiver id, as `waivers` lists it",
  workflow: "workflow id, as `workflows` lists it",
  approval: "approval id, as `approvals` and `watch` tell it",
  key: "key id, or a principal that has only one key",
  file: "plan file, YAML or JSON; - for standard input",
};

const texts = new WeakMap<Command, CommandText>();

export function textOf(command: Command): CommandText | undefined {
  return texts.get(command);
}

export function registrarOf(
  program: Command,
  heading: string,
  { io, context }: Pick<Registrar, "io" | "context">,
): Registrar {
  const add = (text: CommandText, parent: Command = program): Command => {
    const command = parent.command(text.usage, { hidden: text.hidden === true }).description(text.summary);
    if (parent === program) command.helpGroup(heading);
    // Flags after it are its own, also those that the command above has as well.
    else parent.enablePositionalOptions();
    for (const argument of command.registeredArguments) {
      const name = argument.name();
      argument.description = text.arguments?.[name] ?? ARGUMENTS[name] ?? "";
    }
    texts.set(command, text);
    return command;
  };
  return { io, context, add };
}
