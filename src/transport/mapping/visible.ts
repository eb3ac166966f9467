// Texts that people are to read: one that shows nothing is a problem. Not here: how long they may be, which the contract says.
import type { Problems } from "./problems.ts";

/** What is neither space nor control, and is drawn: joiners, marks of direction and the like are not, nor are the blanks among letters. */
const VISIBLE = /[^\p{Z}\p{Cc}\p{Cf}\p{Cs}\p{Mn}\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0]/u;

/** The text; an empty one is the contract's to judge. */
export function visibleIn(problems: Problems, field: string, text: string): string {
  if (text !== "" && !VISIBLE.test(text)) problems.add(field, "must have a character that can be seen", "text.visible");
  return text;
}
