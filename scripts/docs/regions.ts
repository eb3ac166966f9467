// The marked regions of the executors, for documents that show them: from `region NAME` to `endregion NAME` in a comment.

export interface Region {
  readonly name: string;
  /** Without the marks, and without the indentation that all of its lines share. */
  readonly text: string;
}

const MARK = /^\s*(?:#|\/\/) (region|endregion) ([a-z]+)$/;

/** Throws on a region that is not closed, or is opened within another one. */
export function regionsOf(source: string): readonly Region[] {
  const regions: Region[] = [];
  let open: { readonly name: string; readonly lines: string[] } | undefined;
  for (const line of source.split("\n")) {
    const [, mark, name = ""] = MARK.exec(line) ?? [];
    if (mark === "region") {
      if (open !== undefined) throw new Error(`region ${name} begins within ${open.name}`);
      open = { name, lines: [] };
    } else if (mark === "endregion") {
      if (open?.name !== name) throw new Error(`region ${name} ends without having begun`);
      regions.push({ name, text: dedent(open.lines) });
      open = undefined;
    } else open?.lines.push(line);
  }
  if (open !== undefined) throw new Error(`region ${open.name} does not end`);
  return regions;
}

function dedent(lines: readonly string[]): string {
  const indents = lines.filter((line) => line.trim() !== "").map((line) => /^\s*/.exec(line)![0].length);
  const shared = Math.min(...indents);
  return lines
    .map((line) => line.slice(shared))
    .join("\n")
    .trim();
}
