// Values of flags that several commands share, as they are typed. Not here: what commands do with them.
import type { DescEnum } from "@bufbuild/protobuf";
import { InvalidArgumentError, Option } from "commander";
import type { Command } from "commander";
import { CommandEnd, MISUSED } from "./io.ts";
import { wordsOf } from "./words.ts";

/** Why an operator does something. */
export const REASON = ["--reason <text>", "why; kept with the record"] as const;

export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** A whole number from 1 to `most`. */
export function wholeTo(most: number): (value: string) => number {
  return (value) => {
    const number = Number(value);
    if (!Number.isInteger(number) || number < 1 || number > most)
      throw new InvalidArgumentError(`must be a whole number from 1 to ${most}`);
    return number;
  };
}

const MOST_COST = 1e12;

/** What something costs, in units of whatever currency. */
export function costOf(typed: string): number {
  const number = Number(typed);
  if (typed.trim() !== "" && number >= 0 && number <= MOST_COST) return number;
  throw new InvalidArgumentError(`must be a number from 0 to ${MOST_COST.toLocaleString("en")}`);
}

/** A `name=value` of a repeatable flag. */
export function pairOf(flag: string, text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new CommandEnd(MISUSED, `${flag} ${text}: write name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** Words of states are taken in any case, and with a hyphen for what the contract writes with an underscore. */
export function addStates(command: Command, desc: DescEnum): Command {
  const words = wordsOf(desc);
  const option = new Option("--state <state>", "only in this state; repeatable").choices(words).default([], "any");
  const one = option.parseArg;
  return command.addOption(
    option.argParser((typed: string, before: string[]) => {
      const value = typed.toUpperCase().replaceAll("-", "_");
      one?.(value, undefined as never);
      return [...before, value];
    }),
  );
}

/** A flag that takes one word of an enum, in any case and with hyphens; its help has them as REST writes them. */
export function wordOption(flags: string, description: string, desc: DescEnum): Option {
  const option = new Option(flags, description).choices(wordsOf(desc).map((one) => one.toLowerCase()));
  const one = option.parseArg;
  return option.argParser((typed: string) => {
    const value = typed.toLowerCase().replaceAll("-", "_");
    one?.(value, undefined as never);
    return value;
  });
}
