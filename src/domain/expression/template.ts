// Texts that hold `${{ … }}`: where the expressions in them begin and end. Not here: what the expressions mean.

export type Segment =
  { readonly kind: "text"; readonly text: string } | { readonly kind: "expression"; readonly text: string };

export type Template =
  { readonly ok: true; readonly segments: readonly Segment[] } | { readonly ok: false; readonly problem: string };

const OPEN = "${{";
const CLOSE = "}}";

/** Whether JSON text can hold an expression at all; an escape may hide one. */
export function mayHoldExpression(jsonText: string): boolean {
  return jsonText.includes(OPEN) || jsonText.includes("\\u");
}

export function holdsExpression(text: string): boolean {
  return text.includes(OPEN);
}

/** Splits a text into what stands for itself and its expressions. `$${{` stands for a literal `${{`. */
export function parseTemplate(text: string): Template {
  const segments: Segment[] = [];
  let literal = "";
  let at = 0;
  for (;;) {
    const open = text.indexOf(OPEN, at);
    if (open < 0) break;
    if (open > at && text.charAt(open - 1) === "$") {
      literal += text.slice(at, open - 1) + OPEN;
      at = open + OPEN.length;
      continue;
    }
    literal += text.slice(at, open);
    const close = closeOf(text, open + OPEN.length);
    if (close < 0) return { ok: false, problem: `has a \`\${{\` without its \`}}\` (character ${open})` };
    if (literal !== "") segments.push({ kind: "text", text: literal });
    literal = "";
    segments.push({ kind: "expression", text: text.slice(open + OPEN.length, close).trim() });
    at = close + CLOSE.length;
  }
  literal += text.slice(at);
  if (literal !== "") segments.push({ kind: "text", text: literal });
  return { ok: true, segments };
}

/** Where the `}}` of an expression begins: not within CEL's quotes, nor where `}}` ends nested maps. −1 for nowhere. */
function closeOf(text: string, from: number): number {
  let braces = 0;
  for (let i = from; i < text.length; i++) {
    const letter = text.charAt(i);
    if (letter === '"' || letter === "'") {
      i = endOfQuote(text, i);
      if (i < 0) return -1;
    } else if (letter === "{") braces++;
    else if (letter === "}") {
      if (braces > 0) braces--;
      else if (text.startsWith(CLOSE, i)) return i;
    }
  }
  return -1;
}

/** Where the CEL quote that begins at `from` ends: the index of its last quotation mark. Raw texts know no escapes. */
function endOfQuote(text: string, from: number): number {
  const mark = text.charAt(from);
  const raw = /(^|[^A-Za-z0-9_])[bB]?[rR][bB]?$/.test(text.slice(Math.max(0, from - 3), from));
  const quote = text.startsWith(mark.repeat(3), from) ? mark.repeat(3) : mark;
  for (let i = from + quote.length; i < text.length; i++) {
    if (text.charAt(i) === "\\" && !raw) i++;
    else if (text.startsWith(quote, i)) return i + quote.length - 1;
  }
  return -1;
}
