// A line of bash as the words that a command would get, and words as bash must be given them. Names come from a server: what
// they hold must never become part of the line's own syntax.

export interface BashWords {
  readonly words: readonly string[];
  /** The quote that the last word stands in, if it does. */
  readonly quote: "" | "'" | '"';
}

/** Words of an unfinished line. A line that ends in a blank has an empty last word. */
export function wordsOf(line: string): BashWords {
  const words: string[] = [];
  let word: string | undefined;
  let quote: BashWords["quote"] = "";
  for (let i = 0; i < line.length; i++) {
    const character = line[i] ?? "";
    if (quote === "" && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === quote) {
      quote = "";
    } else if (quote === "" && (character === "'" || character === '"')) {
      quote = character;
      word ??= "";
    } else if (character === "\\" && quote !== "'") {
      word = `${word ?? ""}${line[++i] ?? ""}`;
    } else word = `${word ?? ""}${character}`;
  }
  return { words: [...words, word ?? ""], quote };
}

/** Undefined for what cannot be said in that quote, or hardly be meant. */
export function quoted(value: string, quote: BashWords["quote"]): string | undefined {
  if (/[\u0000-\u001f\u007f-\u009f]/.test(value)) return undefined;
  if (quote === "'") return value.includes("'") ? undefined : value;
  if (quote === '"') return value.replaceAll(/["\\$`!]/g, "\\$&");
  return value.replaceAll(/[^\p{L}\p{N}_./@%+,:=-]/gu, "\\$&");
}
