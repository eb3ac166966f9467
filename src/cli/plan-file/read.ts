// A plan file from its text: YAML or JSON, read into values, with every mistake and its place. Not here: what is sent, see requests.ts.
import { LineCounter, parseDocument } from "yaml";
import { Reader } from "./kinds.ts";
import type { Mistake } from "./mistakes.ts";
import { planFile } from "./shape.ts";
import type { PlanFile } from "./shape.ts";

export type ReadFile =
  | { readonly ok: true; readonly file: PlanFile; readonly placeOf: (path: string) => { line: number; column: number } }
  | { readonly ok: false; readonly mistakes: readonly Mistake[] };

const MOST_BYTES = 64 * 1024 * 1024;

export function readPlanFile(source: string): ReadFile {
  if (Buffer.byteLength(source) > MOST_BYTES)
    return failed([{ line: 0, column: 0, path: "", message: "is larger than 64 MiB" }]);
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, intAsBigInt: true, merge: true, prettyErrors: false });
  if (document.errors.length > 0) {
    return failed(
      document.errors.map(({ pos, message }) => {
        const { line, col } = lines.linePos(pos[0]);
        return { line, column: col, path: "", message };
      }),
    );
  }
  const reader = new Reader(document, lines);
  const file = planFile.read(reader.place(document.contents, ""));
  if (file === undefined || reader.mistakes.length > 0) return failed(reader.mistakes);
  return { ok: true, file, placeOf: (path) => nearest(reader.places, path) };
}

function failed(mistakes: readonly Mistake[]): ReadFile {
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
