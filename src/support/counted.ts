// Numbers with their nouns, as people write them. Not here: spans, amounts and times.

/** `1 step`, `2 steps`; `several` is the noun of many when it does not just end in s. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}

/** The contract's pattern of digests, which tells nobody how one looks. */
const DIGEST = "[A-Za-z0-9][A-Za-z0-9._+-]*:.+$";

/** What a rule of the contract says of a value, which its library counts one of in the plural. */
export function ruleInWords(said: string): string {
  if (/^must be at least 1 (character|byte)s$/.test(said)) return "must not be empty";
  // The first of every enum says that nothing was said.
  if (/must not be in list \[0\]$/.test(said)) return "must be given";
  if (said.includes(DIGEST)) return "must be algorithm:text, such as sha256:9f86d0…, or empty";
  return said.replace(/\b(\d+) (character|byte|item|pair)(s|\(s\))(?!\w)/g, (_all, count: string, noun: string) =>
    counted(Number(count), noun),
  );
}
