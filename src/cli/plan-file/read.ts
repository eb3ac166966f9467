// A plan file from its text: YAML or JSON, read into values, with every mistake and its place. Not here: what is sent, see requests.ts.
import { Lexer, LineCounter, parseDocument } from "yaml";
import type { Document } from "yaml";
import { Reader } from "./kinds.ts";
import type { Kind } from "./kinds.ts";
import type { Mistake } from "./mistakes.ts";
import { planFile } from "./shape.ts";
import type { PlanFile } from "./shape.ts";

export type ReadAs<T> =
  | { readonly ok: true; readonly file: T; readonly placeOf: (path: string) => { line: number; column: number } }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };
export type ReadFile = ReadAs<PlanFile>;

/** Room for as many short steps as a plan may have. */
export const MOST_BYTES = 8 * 1024 * 1024;
/** What is read is allowed far less; this is for a clear word before the parser's stack ends. */
const DEEPEST = 200;
const OVERFLOW = /stack overflow|call stack/i;
const SEVERAL = "a second document begins here; a plan file is one";
export const TOO_LARGE = `is larger than ${MOST_BYTES / 1024 / 1024} MiB`;

export function readPlanFile(source: string): ReadFile {
  return readAs(planFile, source);
}

/** Any file of one kind, such as a workflow's. */
export function readAs<T>(kind: Kind<T>, source: string): ReadAs<T> {
  if (Buffer.byteLength(source) > MOST_BYTES) return failed([{ line: 0, column: 0, path: "", message: TOO_LARGE }]);
  const lines = new LineCounter();
  const document = parsed(source, lines);
  if (document === undefined) return failed([{ line: 0, column: 0, path: "", message: "is nested too deeply" }]);
  if (document.errors.length > 0) {
    return failed(
      document.errors.map(({ pos, code, message }) => {
        const { line, col } = lines.linePos(pos[0]);
        return { line, column: col, path: "", message: code === "MULTIPLE_DOCS" ? SEVERAL : message };
      }),
    );
  }
  const reader = new Reader(document, lines);
  const file = kind.read(reader.place(document.contents, ""));
  if (file === undefined || reader.mistakes.length > 0) return failed(reader.mistakes);
  return { ok: true, file, placeOf: (path) => nearest(reader.places, path) };
}

/** Undefined when it is nested more deeply than the parser, which calls itself, may follow. */
function parsed(source: string, lineCounter: LineCounter): Document | undefined {
  if (isDeep(source)) return undefined;
  try {
    // Keys that are there twice are told by the reader: the parser compares each with all others.
    const options = { lineCounter, intAsBigInt: true, merge: true, prettyErrors: false, uniqueKeys: false };
    const document = parseDocument(source, options);
    return document.errors.some(({ message }) => OVERFLOW.test(message)) ? undefined : document;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Nesting that costs a file next to nothing: brackets, and dashes on one line. The lexer does not call itself. */
function isDeep(source: string): boolean {
  let brackets = 0;
  let dashes = 0;
  for (const token of new Lexer().lex(source)) {
    if (token === "[" || token === "{") brackets++;
    else if (token === "]" || token === "}") brackets--;
    else if (token === "-" || token === "?") dashes++;
    else if (token.endsWith("\n")) dashes = 0;
    if (brackets + dashes > DEEPEST) return true;
  }
  return false;
}

function failed(mistakes: readonly Mistake[]): { readonly ok: false; readonly mistakes: readonly Mistake[] } {
  return { ok: false, mistakes: [...mistakes].sort((a, b) => a.line - b.line || a.column - b.column) };
}

/** Where a path begins, or the innermost thing around it that has a place. */
function nearest(
  places: ReadonlyMap<string, { line: number; column: number }>,
  path: string,
): { line: number; column: number } {
  for (let at = path; ; at = at.replace(/(\.|\[)[^.[]*$/, "")) {
    const place = places.get(at);
    if (place !== undefined) return place;
    if (!/[.[]/.test(at)) return places.get("") ?? { line: 0, column: 0 };
  }
}
