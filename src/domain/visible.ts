// Whether there is anything in a text that people see. Not here: how long it may be.

/** Neither space, nor control, nor what only says how others are shown; nor a letter that is blank (Braille's, Hangul's fillers). */
const VISIBLE = /[^\s\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u;

export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}
