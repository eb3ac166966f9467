// Values of flags that several commands share, as they are typed. Not here: what commands do with them.
import { InvalidArgumentError } from "commander";
import { CommandEnd, MISUSED } from "./io.ts";

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

/** A `name=value` of a repeatable flag. */
export function pairOf(flag: string, text: string): readonly [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw new CommandEnd(MISUSED, `${flag} ${text}: write name=value`);
  return [text.slice(0, at), text.slice(at + 1)];
}
