// Patterns of step keys: `*` stands for any characters, `?` for one. Not here: finding the steps.

export interface KeyPattern {
  readonly matches: (key: string) => boolean;
  /** Every key that matches sorts after this; null when that says nothing. */
  readonly after: string | null;
  /** Whether a key lies beyond all that match. */
  readonly isPast: (key: string) => boolean;
}

/** The pattern of a text; an empty one matches everything. */
export function keyPattern(text: string): KeyPattern {
  const prefix = /^[^*?]*/.exec(text)?.[0] ?? "";
  const source = text
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*+/g, ".*")
    .replaceAll("?", ".");
  const pattern = new RegExp(text === "" ? "" : `^${source}$`, "s");
  return {
    matches: (key) => pattern.test(key),
    after: prefix === "" ? null : justBefore(prefix),
    isPast: (key) => prefix !== "" && key > prefix && !key.startsWith(prefix),
  };
}

/** Keys are letters, digits, `_` and `-`: `~` sorts after them all. */
function justBefore(prefix: string): string {
  const last = prefix.length - 1;
  return `${prefix.slice(0, last)}${String.fromCharCode(prefix.charCodeAt(last) - 1)}~`;
}
