// What could be typed next, from the words before the cursor: commands, flags and values. Not here: names that a server knows,
// see names.ts; how shells ask, see scripts.ts.
import type { Argument, Command, Option } from "commander";
import type { ServerClient } from "../client.ts";

export interface Candidate {
  readonly value: string;
  /** For shells that show one beside it. */
  readonly note: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Whether files would do as well. */
  readonly files: boolean;
}

/** What a value is called, and what was typed before it. */
export interface Wanted {
  readonly name: string;
  readonly typed: string;
  readonly positionals: readonly string[];
}

export interface Asked {
  readonly server?: string;
  readonly apiKey?: string;
}

/** Where names of one kind come from. */
export type Source = (client: ServerClient, wanted: Wanted, signal: AbortSignal) => Promise<readonly Candidate[]>;

/** Candidates that only a server knows; none when it does not answer soon. */
export type Lookup = (wanted: Wanted, asked: Asked) => Promise<readonly Candidate[]>;

const FILES: ReadonlySet<string> = new Set(["file", "folder", "from", "export", "recording", "archive"]);

/** `words` are those after the program's name; the last one is being typed. */
export async function complete(program: Command, words: readonly string[], lookup: Lookup): Promise<Completion> {
  const line = readLine(program, words);
  const { command, positionals, typed, option } = line;
  const at = typed.indexOf("=");
  if (option !== undefined) return valueOf(option.argChoices, nameIn(option.flags), line, lookup);
  if (!line.literal && typed.startsWith("-") && at > 0) {
    const named = optionOf(command, typed.slice(0, at));
    if (named === undefined || !takesValue(named)) return { candidates: [], files: false };
    const found = await valueOf(named.argChoices, nameIn(named.flags), { ...line, typed: typed.slice(at + 1) }, lookup);
    const prefix = typed.slice(0, at + 1);
    return { ...found, candidates: found.candidates.map((one) => ({ ...one, value: `${prefix}${one.value}` })) };
  }
  if (!line.literal && typed.startsWith("-")) return { candidates: flags(command, typed), files: false };
  const argument = argumentAt(command, positionals.length);
  const values =
    argument === undefined
      ? { candidates: [], files: false }
      : await valueOf(argument.argChoices, argument.name(), line, lookup);
  return { ...values, candidates: [...subcommands(line), ...values.candidates] };
}

interface Line {
  readonly command: Command;
  readonly positionals: readonly string[];
  readonly typed: string;
  /** Whose value is being typed. */
  readonly option: Option | undefined;
  /** After `--`, where nothing is a flag. */
  readonly literal: boolean;
  readonly asked: Asked;
}

function readLine(program: Command, words: readonly string[]): Line {
  let command = program;
  let positionals: string[] = [];
  let literal = false;
  let option: Option | undefined;
  const values = new Map<string, string>();
  const before = words.slice(0, -1);
  for (const word of before) {
    if (option !== undefined) {
      values.set(option.attributeName(), word);
      option = undefined;
    } else if (!literal && word === "--") literal = true;
    else if (!literal && word.startsWith("-") && word !== "-") {
      const [flag = "", ...rest] = word.split("=");
      const known = optionOf(command, flag);
      if (known === undefined || !takesValue(known)) continue;
      if (rest.length > 0) values.set(known.attributeName(), rest.join("="));
      else option = known;
    } else {
      const sub = positionals.length === 0 && !literal ? named(command, word) : undefined;
      if (sub === undefined) positionals.push(word);
      else [command, positionals] = [sub, []];
    }
  }
  const server = values.get("server");
  const apiKey = values.get("apiKey");
  const asked = { ...(server !== undefined && { server }), ...(apiKey !== undefined && { apiKey }) };
  return { command, positionals, typed: words.at(-1) ?? "", option, literal, asked };
}

async function valueOf(
  choices: readonly string[] | undefined,
  name: string,
  { typed, positionals, asked }: Line,
  lookup: Lookup,
): Promise<Completion> {
  if (choices !== undefined) {
    // Words of states are taken in any case: they are offered in the one that was begun.
    const small = /^[a-z-]/.test(typed) && choices.every((choice) => choice === choice.toUpperCase());
    const words = small ? choices.map((choice) => choice.toLowerCase()) : choices;
    return {
      candidates: starting(
        words.map((value) => ({ value, note: "" })),
        typed,
      ),
      files: false,
    };
  }
  if (FILES.has(name)) return { candidates: [], files: true };
  return { candidates: starting(await lookup({ name, typed, positionals }, asked), typed), files: false };
}

function subcommands({ command, positionals, typed, literal }: Line): readonly Candidate[] {
  if (positionals.length > 0 || literal) return [];
  const visible = command.createHelp().visibleCommands(command);
  return starting(
    visible.map((sub) => ({ value: sub.name(), note: sub.description() })),
    typed,
  );
}

function flags(command: Command, typed: string): readonly Candidate[] {
  const found: Candidate[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) {
    // What stands between has options that say nothing here.
    if (at !== command && at.parent !== null) continue;
    for (const { long, hidden, description } of at.options)
      if (!hidden && typeof long === "string") found.push({ value: long, note: description });
  }
  return starting([...found, { value: "--help", note: "display help for command" }], typed);
}

function starting(candidates: readonly Candidate[], typed: string): readonly Candidate[] {
  return candidates.filter(({ value }) => value.startsWith(typed));
}

function named(command: Command, name: string): Command | undefined {
  return command.commands.find((sub) => sub.name() === name || sub.aliases().includes(name));
}

/** The command's own, or one that all commands share. */
function optionOf(command: Command, flag: string): Option | undefined {
  for (let at: Command | null = command; at !== null; at = at.parent) {
    const found = at.options.find(({ short, long }) => short === flag || long === flag);
    if (found !== undefined) return found;
  }
  return undefined;
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

/** What an option's value is called: `label` of `--label <label>`. */
function nameIn(text: string): string {
  return /[<[]([^>\].]+)/.exec(text)?.[1] ?? "";
}

function argumentAt({ registeredArguments }: Command, index: number): Argument | undefined {
  const last = registeredArguments.at(-1);
  return registeredArguments[index] ?? (last?.variadic === true ? last : undefined);
}
