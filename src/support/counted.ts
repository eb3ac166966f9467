// Numbers with their nouns, as people write them. Not here: spans, amounts and times.

/** `1 step`, `2 steps`; `several` is the noun of many when it does not just end in s. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** What a rule of the contract says of a value, which its library counts one of in the plural. */
export function ruleInWords(said: string): string {
  if (/^must be at least 1 (character|byte)s$/.test(said)) return "must not be empty";
  return said.replace(/\b(\d+) (character|byte|item|pair)(s|\(s\))(?!\w)/g, (_all, count: string, noun: string) =>
    counted(Number(count), noun),
  );
}
